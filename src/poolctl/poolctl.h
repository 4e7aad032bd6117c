/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poolctl: the same verbs from the command line, as tables for people and as JSON for programs.
 */
#ifndef POOLINIT_POOLCTL_POOLCTL_H
#define POOLINIT_POOLCTL_POOLCTL_H

/* Exit status: 0 done, 1 the server said ERR, 2 usage, 3 no server at the socket, 4 timed out. */
int client_main(int argc, char **argv);
/* virt-ssh-helper, as libvirt's clients call it over ssh. */
int ssh_helper_main(int argc, char **argv);

#endif
