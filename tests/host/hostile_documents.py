# SPDX-License-Identifier: LGPL-2.1-or-later
"""Definitions that nobody means well, each with what must be said of it: class, line, and words of the reason.

Every element stands on a line of its own, so that the line is the one of the element that is wrong.
"""

TARGET = "/run/test/hostile-target"
BOOT = "urn:poolinit:boot:1"
LIMIT = 1024 * 1024  # of one document


class Document:
    """word, line, reason: what is said of it over the socket. `file`, where a file is refused for another reason: its class and words."""

    def __init__(self, name, data, word, line, reason, file=None):
        self.name = name
        self.data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        self.word, self.line, self.reason = word, line, reason
        self.file = file


def pool(kind="dir", name="hostile", source="", target=TARGET, more="", root="", before="", uuid=""):
    """Name on line 2, uuid on 3, source from 4, target on 5, more on 6 (a document that begins with `before` is one line longer)."""
    return (f"{before}<pool type='{kind}'{root}>\n<name>{name}</name>\n{uuid}\n<source>{source}</source>\n"
            f"<target><path>{target}</path></target>\n{more}</pool>\n")


def doctypes():
    laughs = "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10 if i else 'ha'}'>\n" for i in range(12))
    refused = "document type declarations"
    for name, doctype, use in (
            ("an entity bomb", f"<!DOCTYPE pool [\n{laughs}]>\n", "&l11;"),
            ("one long entity used often", f"<!DOCTYPE pool [<!ENTITY a '{'x' * 50000}'>]>\n", "&a;" * 10000),
            ("an entity that names itself", "<!DOCTYPE pool [<!ENTITY a '&b;'><!ENTITY b '&a;'>]>\n", "&a;"),
            ("an external entity, a file", "<!DOCTYPE pool [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n", "&x;"),
            ("an external entity, a path", "<!DOCTYPE pool [<!ENTITY x SYSTEM '/etc/shadow'>]>\n", "&x;"),
            ("an external entity, http", "<!DOCTYPE pool [<!ENTITY x SYSTEM 'http://127.0.0.1:8099/x'>]>\n", "&x;"),
            ("a parameter entity", "<!DOCTYPE pool [<!ENTITY % p SYSTEM 'http://127.0.0.1:8099/p'> %p;]>\n", "x"),
            ("an external DTD, http", "<!DOCTYPE pool SYSTEM 'http://127.0.0.1:8099/pool.dtd'>\n", "x"),
            ("an external DTD, a file", "<!DOCTYPE pool SYSTEM 'file:///dev/zero'>\n", "x"),
            ("a public DTD", "<!DOCTYPE pool PUBLIC '-//x//y' 'http://127.0.0.1:8099/public'>\n", "x"),
            ("default attributes of a DTD", "<!DOCTYPE pool [<!ATTLIST pool type CDATA 'dir'>]>\n", "x"),
            ("an empty DOCTYPE", "<!DOCTYPE pool>\n", "x")):
        yield Document(name, pool(name=use, before=doctype), "xml", 1, refused)
    yield Document("an entity that nobody declared", pool(name="a&nbsp;b"), "xml", 2, "nbsp")
    yield Document("a reference to NUL", pool(name="a&#0;b"), "xml", 2, "xmlParseCharRef")
    yield Document("a reference to ESC", pool(name="a&#27;b"), "xml", 2, "xmlParseCharRef")


def sizes():
    filler = pool(before=f"<!--{' ' * (10 << 20)}-->")
    too_long = ("too-long", "longer than 1048576 bytes")
    yield Document("ten megabytes", filler, "too-long", None, "at most 1048576 bytes", file=too_long)
    yield Document("one byte too many", pool().ljust(LIMIT + 1), "too-long", None, "at most 1048576 bytes", file=too_long)
    yield Document("10,000 elements in each other", pool(more="\n".join(["<a>"] * 10000 + ["</a>"] * 10000)), "xml", 69, "nested deeper")
    yield Document("100,000 elements beside each other", pool(more="<a/>" * 100000), "xml", 6, "more than 20000 elements")
    yield Document("100,000 attributes", pool(root="".join(f" a{i}=''" for i in range(100000))), "xml", 1, "attributes in one element")
    yield Document("257 attributes", pool(root="".join(f" a{i}=''" for i in range(256))), "xml", 1, "attributes in one element")
    yield Document("30,000 comments", pool(more="<!---->" * 30000), "xml", 6, "more than 20000 elements")
    yield Document("30,000 processing instructions", pool(more="<?a?>" * 30000), "xml", 6, "more than 20000 elements")
    yield Document("30,000 namespaces", pool(more="<a xmlns:b='c'/>" * 12000), "xml", 6, "more than 20000 elements")
    yield Document("a megabyte that printing would make six of",
                   pool(more="<a/>", target=TARGET + "</path><permissions><label>" + "'" * 900000 + "</label></permissions><path>"),
                   "too-long", None, "hostile")
    yield Document("a target path of 5,000 bytes", pool(target="/" + "d/" * 2500), "invalid", 5, "at most 4095")
    yield Document("a target path that no line can carry", pool(target="/" + "\u00e4" * 2000), "too-long", None, "longer than 3584")


def encodings():
    text = pool()
    declared = "<?xml version='1.0' encoding='%s'?>\n"
    yield Document("UTF-16 that ends within a letter", text.encode("utf-16")[:-1], "xml", None, "not UTF-16")
    yield Document("UTF-16, most significant byte first, with half a letter", b"\xfe\xff" + text.encode("utf-16-be") + b"\xd8\0", "xml", None, "not UTF-16")
    yield Document("UTF-16 without a mark", text.encode("utf-16-le"), "xml", 1, "UTF-8")
    yield Document("UTF-32", text.encode("utf-32"), "xml", 1, "UTF-8")
    flood = pool(root=" x='" + "\u2222" + "'" + "".join(f" a{i}=''" for i in range(50000)))
    yield Document("attributes hidden in UTF-16", flood.encode("utf-16"), "xml", 1, "more than 256 attributes")
    yield Document("UTF-7", (declared % "UTF-7") + "+ADw-pool type='dir'/>", "xml", 1, "UTF-7")
    yield Document("EBCDIC", text.encode("cp037"), "xml", 1, "UTF-8")
    yield Document("Latin-1, not declared", pool(name="caf\u00e9").encode("latin-1"), "xml", 2, "UTF-8")
    yield Document("an encoding that does not exist", (declared % "x-none") + text, "xml", 1, "x-none")
    yield Document("UTF-8 longer than need be", pool(name="\0").encode().replace(b"\0", b"\xc0\xaf"), "xml", 2, "UTF-8")
    yield Document("half a surrogate pair", pool(name="a\ud800b"), "xml", 2, "")
    yield Document("a NUL byte in the name", pool(name="a\0b"), "xml", 2, "NUL")
    yield Document("an ESC byte in the name", pool(name="a\x1b[2Jb"), "xml", 2, "")


def shapes():
    yield Document("nothing", "", "xml", 1, "empty")
    yield Document("blanks", "  \n\n  ", "xml", None, "")
    yield Document("text", "hello\n", "xml", 1, "does not begin with '<'")
    yield Document("a program", b"\x7fELF\x02\x01\x01\0\0\0\0" + bytes(range(256)), "xml", 1, "")
    yield Document("the first half", pool()[:60], "xml", 5, "")
    yield Document("tags that do not match", pool(more="<a>\n</b>\n"), "xml", 7, "mismatch")
    yield Document("an attribute twice", pool(root=" a='1' a='2'"), "xml", 1, "redefined")
    yield Document("two pools", pool() + pool(), "xml", 7, "Extra content")
    yield Document("another document", "<domain type='kvm'/>", "xml", 1, "<domain>, not <pool>")
    yield Document("a root of 100,000 bytes", f"<{'a' * 100000}/>", "xml", 1, "")
    yield Document("a pool of another namespace", pool(root=" xmlns='urn:other'"), "invalid", 1, "no name")
    yield Document("no type", pool().replace(" type='dir'", ""), "invalid", 1, "no type")
    yield Document("an unknown type", pool(kind="floppy"), "invalid", 1, "floppy")
    yield Document("no target", "<pool type='dir'>\n<name>hostile</name></pool>", "invalid", 1, "target path")


def names():
    for name, value, reason in (
            ("a slash", "a/b", "file name"), ("dots", "..", "file name"), ("a dot", ".", "file name"),
            ("a way out", "../../etc/cron.d/x", "file name"), ("an absolute path", "/etc/passwd", "file name"),
            ("a newline", "a\nb", "file name"), ("a carriage return", "a&#13;b", "file name"), ("a tab", "a&#9;b", "file name"),
            ("DEL", "a\x7fb", "file name"), ("a control character above 127", "a\u009bb", "file name"),
            ("a leading dot", ".hidden", "file name"),
            ("300 bytes", "n" * 300, "300 bytes"), ("201 bytes in fewer characters", "\u00e4" * 101, "202 bytes"),
            ("100,000 bytes", "n" * 100000, "100000 bytes")):
        yield Document(f"a name: {name}", pool(name=value), "invalid", 2, reason)
    yield Document("no name", pool(name=""), "invalid", 1, "no name")
    for name, value in (("no uuid", "hello"), ("a uuid with more", "11111111-2222-3333-4444-555555555501/.."),
                        ("a uuid of 1,000 digits", "1" * 1000)):
        yield Document(name, pool(uuid=f"<uuid>{value}</uuid>"), "invalid", 3, "not a UUID")


SHELL = ("$(touch /run/test/pwned)", "`touch /run/test/pwned`", ";touch /run/test/pwned", "|touch /run/test/pwned", "x&amp;&amp;touch", "a b",
         "x&gt;/run/test/pwned", "*", "{a,b}", "x'y".replace("'", "&apos;"))


def sources():
    def one(kind, what, reason, source):
        return Document(f"{kind}: {what}", pool(kind=kind, source=source), "invalid", 4, "control" if "&#10;" in source else reason)

    for value in ("iqn.2026-01.example:../../../etc", "iqn.2026-01.example:..", "iqn.2026-01.example/x", "../x", "-T", "--help", ".hidden",
                  "iqn.2026-01.example:\u00e4", "i" * 300, "x&#10;y", *SHELL):
        yield one("iscsi", f"target {value[:40]!r}", "not the name of an iSCSI target", f"<host name='h'/><device path='{value}'/>")
    for value in ("iqn.2026-01.example:../..", "-i", *SHELL[:3]):
        yield one("iscsi", f"initiator {value!r}", "initiator",
                  f"<host name='h'/><device path='iqn.2026-01.example:x'/><initiator><iqn name='{value}'/></initiator>")
    for value in ("-oProxyCommand=x", "--", "..", "a..b", "host/../x", "/dev/null", "[nas]", "h" * 300, "h\u00f6st", "h,rw", *SHELL):
        yield one("netfs", f"host {value[:40]!r}", "neither a host name nor an address", f"<host name='{value}'/><dir path='/export'/>")
    for value in ("99999999999999999999", "3260;id", "0x50", "-oX"):
        yield one("iscsi", f"port {value!r}", "port", f"<host name='h' port='{value}'/><device path='iqn.2026-01.example:x'/>")
    for value in ("-rf", "--help", "sda", "../sda", "/dev/../etc/shadow", "/dev/x/..", "/", "LABEL=", "LABEL=../x", "LABEL=a/b", "UUID=..",
                  "label=x", "/dev/a&#10;b", "$(touch /run/test/pwned)"):
        yield one("fs", f"device {value!r}", "", f"<device path='{value}'/>")
    for value in ("-vg", "--config=x", "..", ".", "../vg", "vg/lv", "vg\u00e4", "v" * 300, "x&#10;y", *SHELL):
        yield one("logical", f"group {value[:40]!r}", "LVM", f"<name>{value}</name>")
    for value in ("../../x", "..", "a/b"):
        yield one("scsi", f"adapter {value!r}", "SCSI host", f"<adapter name='{value}'/>")
    yield one("fs", "no device", "<device>", "")
    yield one("netfs", "no host", "<host>", "<dir path='/x'/>")
    yield one("netfs", "an unknown format", "exec", "<host name='h'/><dir path='/x'/><format type='exec'/>")
    yield one("fs", "a format with more", "ext4;id", "<device path='/dev/x'/><format type='ext4;id'/>")
    chap = "<host name='h'/><device path='iqn.2026-01.example:x'/>"
    for what, auth, reason in (
            ("no secret", "<auth type='chap' username='u'/>", "no <secret>"),
            ("a secret without a name", "<auth type='chap' username='u'><secret/></auth>", "neither uuid nor usage"),
            ("two names of a secret", "<auth type='chap' username='u'><secret usage='a' uuid='11111111-2222-3333-4444-555555555501'/></auth>", "both"),
            ("a secret's uuid", "<auth type='chap' username='u'><secret uuid='../../etc/shadow'/></auth>", "not a UUID"),
            ("a user with a newline", "<auth type='chap' username='u&#10;v'><secret usage='a'/></auth>", "control"),
            ("no user", "<auth type='chap'><secret usage='a'/></auth>", "no username"),
            ("another kind of auth", "<auth type='plain' username='u'><secret usage='a'/></auth>", "plain")):
        yield one("iscsi", what, reason, chap + auth)


def targets():
    yield Document("a target with a newline", pool(target="/run/a&#10;b"), "invalid", 5, "control")
    for what, perms, reason in (("mode 7777", "<mode>7777</mode>", "octal"), ("mode -1", "<mode>-1</mode>", "octal"),
                                ("an owner by name", "<owner>root</owner>", "numeric"), ("a group beyond", "<group>99999999999</group>", "numeric")):
        yield Document(what, pool(target=TARGET + f"</path><permissions>{perms}</permissions><path>"), "invalid", 5, reason)
    for what, attribute in (("a timeout", "timeout='-1s'"), ("an unknown reaction", "onfail='explode'"), ("an unknown attribute", "exec='/bin/sh'"),
                            ("an order", "order='99999999999'")):
        yield Document(f"boot: {what}", pool(more=f"<boot xmlns='{BOOT}' {attribute}/>"), "invalid", 6, "boot")


def documents():
    return [*doctypes(), *sizes(), *encodings(), *shapes(), *names(), *sources(), *targets()]
