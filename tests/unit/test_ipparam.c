/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ip= in the kernel's syntax, and BOOTIF=.
 */
#include <sys/socket.h>
#include "check.h"
#include "base/util.h"
#include "boot/net/ipparam.h"

static struct ip_param p;
static struct err e;

static int parse(const char *value)
{
	e = (struct err){ 0 };
	p = (struct ip_param){ 0 };
	return ip_param_parse(value, &p, &e);
}

static const char *text(const struct ip_address *a)
{
	static char out[4][IP_TEXT];
	static unsigned i;

	return ip_address_print(a, out[i++ % 4]);
}

static void all_ten_fields(void)
{
	CHECK_INT(parse("192.0.2.5:192.0.2.1:192.0.2.254:255.255.255.128:vm-1.example:eth0:off:192.0.2.53:"
	                "192.0.2.54:192.0.2.123"),
	          0);
	CHECK_INT(p.method, IP_STATIC);
	CHECK_STR(text(&p.client), "192.0.2.5");
	CHECK_INT(p.client.prefix, 25);
	CHECK_STR(text(&p.server), "192.0.2.1");
	CHECK_STR(text(&p.gateway), "192.0.2.254");
	CHECK_STR(p.hostname, "vm-1.example");
	CHECK_STR(p.device, "eth0");
	CHECK_STR(text(&p.dns[0]), "192.0.2.53");
	CHECK_STR(text(&p.dns[1]), "192.0.2.54");
	CHECK_STR(text(&p.ntp), "192.0.2.123");
}

static void fields_may_be_left_out(void)
{
	CHECK_INT(parse("10.0.2.15::10.0.2.2:255.255.255.0::eth0:none"), 0);
	CHECK_INT(p.method, IP_STATIC);
	CHECK_INT(p.client.prefix, 24);
	CHECK_INT(p.server.family, 0);
	CHECK_INT(p.dns[0].family, 0);
	CHECK_INT(parse("10.0.2.15"), 0);
	CHECK_INT(p.method, IP_STATIC);
	CHECK_STR(p.device, "");
	CHECK_INT(parse("10.0.2.15::::::"), 0);
	CHECK_INT(parse("10.0.2.15:::24"), 0);
	CHECK_INT(p.client.prefix, 24);
	CHECK_INT(parse("10.0.2.15/20::10.0.2.2:::eth1"), 0);
	CHECK_INT(p.client.prefix, 20);
}

static void a_missing_netmask_is_the_class(void)
{
	parse("10.1.2.3");
	CHECK_INT(p.client.prefix, 8);
	parse("172.16.0.1");
	CHECK_INT(p.client.prefix, 16);
	parse("192.168.1.1");
	CHECK_INT(p.client.prefix, 24);
}

static void one_word(void)
{
	CHECK_INT(parse("dhcp"), 0);
	CHECK_INT(p.method, IP_DHCP);
	CHECK_INT(parse("on"), 0);
	CHECK_INT(p.method, IP_DHCP);
	CHECK_INT(parse("any"), 0);
	CHECK_INT(p.method, IP_DHCP);
	CHECK_INT(parse("off"), 0);
	CHECK_INT(p.method, IP_OFF);
	CHECK_INT(parse("none"), 0);
	CHECK_INT(p.method, IP_OFF);
}

static void a_device_and_a_word(void)
{
	CHECK_INT(parse("eth1:dhcp"), 0);
	CHECK_INT(p.method, IP_DHCP);
	CHECK_STR(p.device, "eth1");
	CHECK_INT(parse(":::::enp0s2:dhcp"), 0);
	CHECK_INT(p.method, IP_DHCP);
	CHECK_STR(p.device, "enp0s2");
	CHECK_INT(parse(":::::enp0s2"), 0); /* the kernel's default is "any" */
	CHECK_INT(p.method, IP_DHCP);
}

static void an_address_wins_over_autoconf(void)
{
	CHECK_INT(parse("192.0.2.5:::255.255.255.0::eth0:dhcp"), 0);
	CHECK_INT(p.method, IP_STATIC);
	CHECK_INT(parse("192.0.2.5:::255.255.255.0::eth0:any"), 0);
	CHECK_INT(p.method, IP_STATIC);
}

static void ipv6_stands_in_brackets(void)
{
	CHECK_INT(parse("[2001:db8::5]::[2001:db8::1]:48::eth0:off:[2001:db8::53]"), 0);
	CHECK_INT(p.client.family, AF_INET6);
	CHECK_INT(p.client.prefix, 48);
	CHECK_STR(text(&p.gateway), "2001:db8::1");
	CHECK_STR(text(&p.dns[0]), "2001:db8::53");
	CHECK_INT(parse("[2001:db8::5]"), 0);
	CHECK_INT(p.client.prefix, 64);
	CHECK_INT(parse("[2001:db8::5]/56"), 0);
	CHECK_INT(p.client.prefix, 56);
}

static void bad_addresses_are_named(void)
{
	CHECK(parse("192.0.2.256") < 0);
	CHECK_STR(
		e.message,
		"ip=192.0.2.256: client address: \"192.0.2.256\" is not an address: no address is set by it");
	CHECK_INT(p.method, IP_OFF);
	CHECK(parse("192.0.2.5::gateway") < 0);
	CHECK_STR(e.message,
	          "ip=192.0.2.5::gateway: gateway: \"gateway\" is not an address (the rest of it counts)");
	CHECK(parse("192.0.2") < 0);
	CHECK(parse("192.0.2.5:x") < 0);
	CHECK(parse("192.0.2.5::::::off:dns") < 0);
	CHECK(parse("2001:db8::5") < 0);
	CHECK(parse("[192.0.2.5") < 0);
	CHECK(parse("[2001:db8::5::[2001:db8::1]") < 0);
	CHECK(parse("[]") < 0);
	CHECK_INT(e.class, ERR_INVALID);
}

static void addresses_of_no_host_are_refused(void)
{
	static const char *const no_hosts[] = {
		"127.0.0.1",
		"224.0.0.5",
		"255.255.255.255",
		"0.0.0.7",
		"[::1]",
		"[ff02::1]",
		"192.0.2.255/24",
		"192.0.2.0:::255.255.255.0",
		"192.0.2.5::127.0.0.1",
		"192.0.2.5::224.0.0.5",
		"192.0.2.5:::::::255.255.255.255",
		"192.0.2.5::::::off:224.0.0.5",
	};

	for (size_t i = 0; i < ARRAY_LEN(no_hosts); i++) {
		CHECK(parse(no_hosts[i]) < 0);
		CHECK_INT(e.class, ERR_INVALID);
	}
	CHECK(parse("127.0.0.1") < 0);
	CHECK_STR(e.message, "ip=127.0.0.1: client address: \"127.0.0.1\" cannot be a host's address: no "
	                     "address is set by it");
	CHECK_INT(parse("192.0.2.0/31"), 0);
	CHECK_INT(parse("192.0.2.255/32"), 0);
	CHECK_INT(parse("240.0.0.7/8"), 0);
	CHECK_INT(parse("192.0.2.5::::::off:127.0.0.53:[::1]"), 0); /* a name server may be here */
}

static void bad_netmasks_are_refused(void)
{
	CHECK(parse("192.0.2.5:::255.0.255.0") < 0);
	CHECK_STR(e.message, "ip=192.0.2.5:::255.0.255.0: netmask: the ones of netmask \"255.0.255.0\" do "
	                     "not stand together (the rest of it counts)");
	CHECK(parse("192.0.2.5:::33") < 0);
	CHECK(parse("192.0.2.5:::-1") < 0);
	CHECK(parse("192.0.2.5:::mask") < 0);
	CHECK(parse("192.0.2.5/24:::24") < 0);
	CHECK(parse("192.0.2.5/") < 0);
	CHECK(parse("192.0.2.5/99") < 0);
	CHECK(parse("[2001:db8::5]/129") < 0);
	CHECK(parse("[2001:db8::5]:::255.255.255.0") < 0);
	CHECK_INT(parse("192.0.2.5:::0"), 0);
	CHECK_INT(parse("192.0.2.5:::255.255.255.255"), 0);
	CHECK_INT(p.client.prefix, 32);
	CHECK_INT(parse("192.0.2.5:::0.0.0.0"), 0);
	CHECK_INT(p.client.prefix, 24);
}

static void bad_devices_and_host_names_are_refused(void)
{
	CHECK(parse("192.0.2.5:::::../../x") < 0);
	CHECK(parse("192.0.2.5:::::a234567890123456") < 0); /* IFNAMSIZ is 16 with the NUL */
	CHECK_INT(parse("192.0.2.5:::::a23456789012345"), 0);
	CHECK(parse("192.0.2.5:::::a b") < 0);
	CHECK(parse("192.0.2.5:::::.") < 0);
	CHECK(parse("192.0.2.5::::bad host") < 0);
	CHECK(parse("192.0.2.5::::-x") < 0);
	CHECK(parse("192.0.2.5::::a/b") < 0);
	CHECK(parse("a/b:dhcp") < 0);
}

static void what_cannot_be_done_is_said(void)
{
	CHECK(parse("bootp") < 0);
	CHECK_INT(e.class, ERR_UNSUPPORTED);
	CHECK_STR(
		e.message,
		"ip=bootp: \"bootp\" is not supported: give an address or \"dhcp\": no address is set by it");
	CHECK_INT(p.method, IP_OFF);
	CHECK(parse("rarp") < 0);
	CHECK(parse("ibft") < 0);
	CHECK(parse("eth0:dhcp6") < 0);
	CHECK(parse(":::::eth0:later") < 0);
	CHECK_INT(e.class, ERR_INVALID);
}

/* dracut.cmdline(7): ip=DEVICE:AUTOCONF:MTU:MAC. */
static void an_mtu_and_a_hardware_address_are_named(void)
{
	static const char *const with[] = { "eth0:dhcp:1500", "eth0:dhcp:9000:52:54:00:12:34:56",
		                            "eth0:dhcp::52:54:00:12:34:56" };

	for (size_t i = 0; i < ARRAY_LEN(with); i++) {
		CHECK(parse(with[i]) < 0);
		CHECK_INT(e.class, ERR_UNSUPPORTED);
		CHECK(strstr(e.message,
		             "an MTU or a hardware address is not set here (the rest of it counts)"));
		CHECK(!strstr(e.message, "client address"));
		CHECK_INT(p.method, IP_DHCP);
		CHECK_STR(p.device, "eth0");
	}
	CHECK_INT(parse("eth0:dhcp:"), 0);
	CHECK_INT(parse("eth0:dhcp::"), 0);
	CHECK_STR(p.device, "eth0");
	CHECK(parse("192.0.2.5::192.0.2.1:24:vm:eth0:none:1500") < 0);
	CHECK(strstr(e.message, "\"1500\" behind the autoconf field") && !strstr(e.message, "dns0"));
	CHECK_INT(p.method, IP_STATIC);
	/* an address is the client's, whatever stands where the server's should */
	CHECK(parse("192.0.2.5:dhcp:192.0.2.1") < 0);
	CHECK(strstr(e.message, "server address"));
	CHECK_STR(text(&p.client), "192.0.2.5");
	CHECK(parse("e/0:dhcp:1500") < 0);
	CHECK_INT(p.method, IP_OFF);
	CHECK(parse("eth0:later:1500") < 0);
	CHECK_INT(p.method, IP_OFF);
}

static void static_needs_an_address(void)
{
	static const char *const without[] = { "static", "eth0:static", ":::::eth0:static",
		                               "0.0.0.0:::::eth0:static" };

	for (size_t i = 0; i < ARRAY_LEN(without); i++) {
		CHECK(parse(without[i]) < 0);
		CHECK_INT(e.class, ERR_INVALID);
		CHECK(strstr(e.message, "\"static\" without a client address: no address is set by it"));
		CHECK_INT(p.method, IP_OFF);
	}
	CHECK_INT(parse("192.0.2.5:::::eth0:static"), 0);
	CHECK_INT(p.method, IP_STATIC);
}

static void what_makes_no_sense_is_refused(void)
{
	CHECK(parse("") < 0);
	CHECK(parse("::192.0.2.1::::off") < 0);
	CHECK(parse(":::255.255.255.0:::off") < 0);
	CHECK(parse("192.0.2.5::[2001:db8::1]") < 0);
	CHECK(parse("1.2.3.4:::::e:off:::::") < 0);
	CHECK(parse("1.2.3.4:::::e:off:1.1.1.1:1.1.1.1:1.1.1.1:x") < 0);
	char *long_value = malloc(2000);
	memset(long_value, 'x', 1999);
	long_value[1999] = '\0';
	CHECK(parse(long_value) < 0);
	CHECK_INT(e.class, ERR_TOO_LONG);
	free(long_value);
}

static void zero_is_not_given(void)
{
	CHECK_INT(parse("0.0.0.0::0.0.0.0:0.0.0.0::eth0:dhcp"), 0);
	CHECK_INT(p.method, IP_DHCP);
	CHECK_INT(p.gateway.family, 0);
	CHECK_INT(parse("192.0.2.5:0.0.0.0:0.0.0.0:0.0.0.0::eth0:none:0.0.0.0:0.0.0.0:0.0.0.0"), 0);
	CHECK_INT(p.method, IP_STATIC);
	CHECK_INT(p.client.prefix, 24);
	CHECK_INT(p.server.family, 0);
	CHECK_INT(p.gateway.family, 0);
	CHECK_INT(p.dns[0].family, 0);
	CHECK_INT(p.ntp.family, 0);
	CHECK_INT(parse("192.0.2.5:::0::eth0"), 0);
	CHECK_INT(p.client.prefix, 24);
	CHECK_INT(parse("[2001:db8::5]::[::]"), 0);
	CHECK_INT(p.gateway.family, 0);
	CHECK_INT(parse("0.0.0.0:0.0.0.0:0.0.0.0:0.0.0.0::eth0:off"), 0);
	CHECK_INT(p.method, IP_OFF);
}

/* The address, wherever only something else is wrong; several faults are named together. */
static void the_rest_counts(void)
{
	static const char *const wrong[] = {
		"192.0.2.5::gateway:24:vm:eth0:off",
		"192.0.2.5::192.0.2.1:255.0.255.0:vm:eth0:off",
		"192.0.2.5:x:192.0.2.1:24:vm:eth0:off",
		"192.0.2.5::192.0.2.1:24:a/b:eth0:off",
		"192.0.2.5::192.0.2.1:24:vm:eth0:later",
		"192.0.2.5::192.0.2.1:24:vm:eth0:none:1500",
		"192.0.2.5::[2001:db8::1]:24:vm:eth0:off",
		"192.0.2.5/24::192.0.2.1:24:vm:eth0:off",
		"192.0.2.5::192.0.2.1:24:vm:eth0:none:1500:52:54:00:12:34:56",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		CHECK_INT(parse(wrong[i]), -1);
		CHECK(e.class != ERR_NONE && strstr(e.message, "(the rest of it counts)"));
		CHECK_INT(p.method, IP_STATIC);
		CHECK_STR(text(&p.client), "192.0.2.5");
		CHECK_INT(p.client.prefix, 24);
		CHECK_STR(p.device, "eth0");
	}
	CHECK(parse("192.0.2.5::gateway:24:a/b:eth0:off") < 0);
	CHECK(strstr(e.message, "gateway: \"gateway\"") && strstr(e.message, "; host name: \"a/b\""));
	CHECK(parse("x::192.0.2.1:24:vm-1:eth0:dhcp:192.0.2.53") < 0);
	CHECK_INT(p.method, IP_OFF);
	CHECK_STR(p.hostname, "vm-1");
	CHECK_STR(text(&p.dns[0]), "192.0.2.53");
	CHECK(parse("192.0.2.5:::24::e/0:dhcp") < 0);
	CHECK_INT(p.method, IP_OFF);
	CHECK(parse("e/0:dhcp") < 0);
	CHECK_INT(p.method, IP_OFF);
}

static void host_names_may_have_underscores(void)
{
	CHECK_INT(parse("192.0.2.5::192.0.2.1:255.255.255.0:kvm_host1:eth0:none"), 0);
	CHECK_STR(p.hostname, "kvm_host1");
	CHECK_INT(p.method, IP_STATIC);
}

static void bootif(void)
{
	unsigned char mac[6];

	CHECK_INT(bootif_parse("01-52-54-00-12-34-ff", mac, &e), 0);
	CHECK(memcmp(mac, "\x52\x54\x00\x12\x34\xff", 6) == 0);
	CHECK_INT(bootif_parse("52:54:00:12:34:FF", mac, &e), 0);
	CHECK_INT(bootif_parse("00-52-54-00-12-34-fe", mac, &e), 0);
	CHECK(memcmp(mac, "\x52\x54\x00\x12\x34\xfe", 6) == 0);
	CHECK_INT(bootif_parse("20-52-54-00-12-34-FD", mac, &e), 0);
	CHECK_INT(bootif_parse("01-52:54:00:12:34:56", mac, &e), 0);
	CHECK(bootif_parse("x1-52-54-00-12-34-56", mac, &e) < 0);
	CHECK(bootif_parse("52:54:00:12:34", mac, &e) < 0);
	CHECK(bootif_parse("01-52-54-00-12-34", mac, &e) < 0);
	CHECK(bootif_parse("01-52-54-00-12-34-ff-00", mac, &e) < 0);
	CHECK(bootif_parse("525400123456", mac, &e) < 0);
	CHECK(bootif_parse("52:54:00:12:34:gg", mac, &e) < 0);
	CHECK(bootif_parse("52:54:00:12:34:5", mac, &e) < 0);
	CHECK(bootif_parse("52:54:00:12:34:56:", mac, &e) < 0);
	CHECK(bootif_parse("", mac, &e) < 0);
	CHECK(bootif_parse("eth0", mac, &e) < 0);
}

int main(void)
{
	RUN(all_ten_fields);
	RUN(fields_may_be_left_out);
	RUN(a_missing_netmask_is_the_class);
	RUN(one_word);
	RUN(a_device_and_a_word);
	RUN(an_address_wins_over_autoconf);
	RUN(ipv6_stands_in_brackets);
	RUN(bad_addresses_are_named);
	RUN(addresses_of_no_host_are_refused);
	RUN(bad_netmasks_are_refused);
	RUN(bad_devices_and_host_names_are_refused);
	RUN(what_cannot_be_done_is_said);
	RUN(an_mtu_and_a_hardware_address_are_named);
	RUN(static_needs_an_address);
	RUN(what_makes_no_sense_is_refused);
	RUN(zero_is_not_given);
	RUN(the_rest_counts);
	RUN(host_names_may_have_underscores);
	RUN(bootif);
	return check_done();
}
