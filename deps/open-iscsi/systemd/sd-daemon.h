/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two calls of sd_notify(3) that iscsid makes: it says when it listens, so that nobody has to guess.
 */
#ifndef POOLINIT_SD_DAEMON_H
#define POOLINIT_SD_DAEMON_H

/* Send `state` to the datagram socket named in NOTIFY_SOCKET. 1: sent; 0: there is none; negative errno. */
int sd_notify(int unset_environment, const char *state);
int sd_notifyf(int unset_environment, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
