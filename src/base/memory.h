/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory that others decide about: what a worker may use, that it is the first to go when there is none left,
 * and how its end is told.
 */
#ifndef POOLINIT_BASE_MEMORY_H
#define POOLINIT_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes that one worker may have: a quarter of the machine's memory, within bounds, and no more than we
 * ourselves. 0: no limit (a build with sanitizers). */
size_t memory_limit(void);
/* This process, and what it starts, is the first that the kernel ends when memory runs out, and may have
 * memory_limit() for itself. */
void memory_bound(void);
/* Take that back, for what this process starts next and leaves behind. */
void memory_unbound(void);
/* A tool that this process starts may need more: its threads' stacks count, used or not. */
void memory_bound_tool(void);

/* What this process has used, and will use, of its program and its memory stays in memory (mlockall(2),
 * MCL_ONFAULT): where it came from, or would go to, may be a disk that no longer answers. Children begin
 * without. Where it is not allowed, nothing changes; where there is a limit (RLIMIT_MEMLOCK), memory that
 * comes later may be swapped out. */
void memory_keep(void);

/* Memory of zeroes that is of zeroes again in any process that is forked: for what workers are not to have.
 * NULL: there is none. Given back by munmap(2). */
void *memory_unforked(size_t size);

/* Processes that end from now on may be asked about. Returns what stands for now, or for a moment of the
 * last second; children inherit it as the last one. */
uint64_t memory_watch(void);
/* In a child that was forked before: this is the last one from now on. */
void memory_watched(uint64_t since);
/* Was it the kernel that ended the process, because memory ran out? pid: 0 if it is not known, like that of a
 * tool in a namespace; name: as the kernel knows it, by which it is told from others where our numbers are
 * not the kernel's; or NULL. status: of waitpid(2). since: of memory_watch() before it was started; 0: the
 * last. */
bool memory_took(pid_t pid, const char *name, int status, uint64_t since);
/* How a process ended, to stand behind its name: "died by signal 11 (…)", "was ended by the kernel: out of
 * memory", "ended with status 1". Good until the next call. */
const char *memory_ending(pid_t pid, const char *name, int status, uint64_t since);

#endif
