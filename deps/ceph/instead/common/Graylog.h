// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Messages for a Graylog server: none are sent. The real class would bring zlib and boost's streams along.
#ifndef __CEPH_LOG_GRAYLOG_H
#define __CEPH_LOG_GRAYLOG_H

#include <memory>
#include <string>

struct uuid_d;
class LogEntry;

namespace ceph::logging {

class Entry;
class SubsystemMap;

class Graylog {
public:
	typedef std::shared_ptr<Graylog> Ref;
	Graylog(const SubsystemMap *, const std::string &) {}
	explicit Graylog(const std::string &) {}
	void set_hostname(const std::string &) {}
	void set_fsid(const uuid_d &) {}
	void set_destination(const std::string &, int) {}
	void log_entry(const Entry &) {}
	void log_log_entry(LogEntry const *) {}
};

}

#endif
