// Stands before ptrace(2) of User-Mode Linux 6.1, which keeps 2,696 octets of the extended registers of its processes: up to
// AVX-512. Where the processor has more, such as AMX, the machine's kernel gives back that much, but takes only the whole
// (EFAULT), so that no process could begin. What the guest has not kept stays as it is.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { ROOM = 1 << 16 };

typedef long Ptrace(enum __ptrace_request, pid_t, void *, void *);

static Ptrace *libc_ptrace(void)
{
	static Ptrace *known;
	if (!known)
		known = (Ptrace *)dlsym(RTLD_NEXT, "ptrace");
	return known;
}

static long set_within_whole(pid_t pid, void *set, const struct iovec *part)
{
	static char octets[ROOM] __attribute__((aligned(64)));
	struct iovec whole = { .iov_base = octets, .iov_len = sizeof(octets) };
	if (libc_ptrace()(PTRACE_GETREGSET, pid, set, &whole) < 0)
		return -1;
	if (whole.iov_len < part->iov_len) {
		errno = EFAULT;
		return -1;
	}
	memcpy(octets, part->iov_base, part->iov_len);
	return libc_ptrace()(PTRACE_SETREGSET, pid, set, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	static int takes_whole_only;
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	int extended = request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE;
	if (extended && takes_whole_only)
		return set_within_whole(pid, address, data);
	long done = libc_ptrace()(request, pid, address, data);
	if (extended && done < 0 && errno == EFAULT) {
		takes_whole_only = 1;
		return set_within_whole(pid, address, data);
	}
	return done;
}
