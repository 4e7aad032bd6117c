/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The roles that main.c chooses from. Each takes its own arguments (argv[0] is the role's name) and returns
 * the exit status.
 */
#ifndef POOLINIT_BOOT_ROLES_H
#define POOLINIT_BOOT_ROLES_H

int init_main(int argc, char **argv); /* PID 1: never returns while the machine runs */
/* 0 all well, 1 a required pool is missing, 2 a definition or parameter is bad, 3 a pool that nobody requires
 * is not there yet, 4 it could not be started, 64 usage */
int boot_main(int argc, char **argv);
int serve_main(int argc, char **argv);    /* 0 ended by a signal or verb, 1 could not start, 64 usage */
int plan_main(int argc, char **argv);     /* 0 all definitions are good, 1 one is bad, 64 usage */
int xml_main(int argc, char **argv);      /* 0 the document is good, 1 it is not, 2 usage */
int backends_main(int argc, char **argv); /* 0 the table was printed, 1 it could not be, 64 usage */

#define EXIT_USAGE 64

#endif
