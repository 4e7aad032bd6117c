# SPDX-License-Identifier: LGPL-2.1-or-later
#
# msg/Message.cc knows each message of a whole cluster, and with them brings file systems, monitors and placement groups along. A client of
# blocks is sent these, as the functions ms_dispatch of MonClient, Objecter, RadosClient and MgrClient say; it drops others.
BEGIN {
	split("MAuthReply MCommandReply MConfig MGetPoolStatsReply MLog MLogAck MMgrClose MMgrCommandReply MMgrConfigure MMgrMap " \
	      "MMonCommandAck MMonGetVersionReply MMonMap MMonSubscribeAck MOSDBackoff MOSDMap MOSDOpReply MPing MPoolOpReply MStatfsReply " \
	      "MWatchNotify MGenericMessage", names)
	for (i in names)
		wanted[names[i]] = 1
}

/^#include "messages\// {
	if (!first++)
		print "#include \"osd/osd_types.h\"\n#include \"messages/PaxosServiceMessage.h\""
	name = $2
	gsub(/"messages\/|\.h"/, "", name)
	if (name in wanted)
		print
	next
}

# From a row's `case` to its `break` is one message.
/^ *switch \(type\)/ { inside = 1 }
inside && /^ *default:/ { inside = 0 }
inside && /^ *case / { row = 1 }
row {
	text = text $0 "\n"
	if (match($0, /make_message<[A-Za-z]*/) && substr($0, RSTART + 13, RLENGTH - 13) in wanted)
		keep = 1
	if (/^ *break;/) {
		if (keep)
			printf "%s", text
		text = ""
		row = keep = 0
	}
	next
}
{ print }
