/*
 * From the fork to the program: see execution.h.
 *
 * The child is made by vfork(2), which copies nothing: until it is another program it borrows
 * our memory, and we wait.  So what it finds wrong it simply writes down for us; and it keeps
 * to its stack otherwise, and takes no memory.
 */
#define _GNU_SOURCE
#include "execution.h"
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#if __has_include(<linux/sched.h>)
#include <linux/sched.h>
#endif

static const char SHELL[] = "/bin/sh";
/* Before what begins with a dash, which would be an option of what interprets it. */
static const char HERE[] = "./";
static const char DEFAULT_PATH[] = "/bin:/usr/bin";

static const struct {
    const char *name;
    int number;
} LIMITS[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_OFILE", RLIMIT_NOFILE},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

bool borrows(void)
{
    volatile bool borrowed = false;
    pid_t pid = vfork();

    if (pid == 0) {
        borrowed = true;
        _exit(0);
    }
    if (pid < 0)
        return errno == EAGAIN || errno == ENOMEM; /* it may work another time */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return borrowed;
}

void refuse(struct refusal *refusal, int code, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(refusal->why, sizeof refusal->why, format, values);
    va_end(values);
    refusal->code = code;
}

static int number_of(const char *name)
{
    for (size_t at = 0; at < sizeof LIMITS / sizeof *LIMITS; at++)
        if (strcmp(LIMITS[at].name, name) == 0)
            return LIMITS[at].number;
    return -1;
}

/* Sets a limit, or says what is wrong with it. */
static const char *set_limit(const struct limit *limit)
{
    struct rlimit bounds = {limit->soft, limit->hard};
    int number = number_of(limit->name);

    if (number < 0)
        return "there is no such limit";
    if (limit->soft > limit->hard)
        return "the soft one is larger";
    if (setrlimit(number, &bounds) == 0)
        return NULL;
    return errno == EPERM ? "there is no right to it" : strerror(errno);
}

static bool join(const char *group, struct refusal *refusal)
{
    if (group_write(group, "cgroup.procs", "0"))
        return true;
    refuse(refusal, NOT_EXECUTABLE, "it can't be put into its cgroup %s: %s", group,
           strerror(errno));
    return false;
}

static bool constrain(const struct order *order, struct refusal *refusal)
{
    errno = 0;
    if (order->nice && nice(order->nice) == -1 && errno) {
        refuse(refusal, NOT_EXECUTABLE, "its niceness can't be changed by %d: %s", order->nice,
               strerror(errno));
        return false;
    }
    for (size_t at = order->group ? 1 : 0; at < order->limit_count; at++) {
        const struct limit *limit = order->limits + at;
        const char *why = set_limit(limit);

        if (why) {
            refuse(refusal, NOT_EXECUTABLE, "its limit %s can't be %lld (soft) and %lld (hard): %s",
                   limit->name, (long long)limit->soft, (long long)limit->hard, why);
            return false;
        }
    }
    if (order->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        refuse(refusal, NOT_EXECUTABLE, "it can't be kept from new privileges: %s",
               strerror(errno));
        return false;
    }
    return true;
}

/* Whether we are this user and group already, without the right to say it again. */
static bool is_ours(uid_t uid, gid_t gid)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    return uid != 0 && getresuid(&ruid, &euid, &suid) == 0 && getresgid(&rgid, &egid, &sgid) == 0 &&
           ruid == uid && euid == uid && suid == uid && rgid == gid && egid == gid && sgid == gid;
}

/*
 * Another user does not get what the agent may do.  Of root's capabilities nothing is left by
 * now; but those of an agent that is not root, and has them from its service manager, would be
 * the program's too, and with CAP_SETUID it could be root (capabilities(7)).
 */
static bool drop_capabilities(void)
{
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 ||
           errno == EINVAL; /* a kernel that has no such capabilities */
}

static bool identify(const struct order *order, struct refusal *refusal)
{
    if (!order->identity_count)
        return true;
    uid_t uid = order->identity[0];
    gid_t gid = order->identity[1];
    const char *why = NULL;
    for (size_t at = 0; at < order->identity_count; at++)
        if (order->identity[at] == UINT32_MAX) /* setresuid(2): as it is.  It would stay root. */
            why = "there is no such number";
    if (!why) {
        if (is_ours(uid, gid))
            return true;
        if (setgroups(order->identity_count - 2, order->identity + 2) == 0 &&
            setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0 && drop_capabilities())
            return true;
        why = strerror(errno);
    }
    refuse(refusal, NOT_EXECUTABLE, "it can't be given the user %u and the group %u: %s",
           (unsigned)uid, (unsigned)gid, why);
    return false;
}

static bool enter(const char *folder, struct refusal *refusal)
{
    if (chdir(folder) == 0)
        return true;
    if (errno == ENOENT)
        refuse(refusal, NOT_EXECUTABLE, "its folder %s does not exist", folder);
    else if (errno == ENOTDIR)
        refuse(refusal, NOT_EXECUTABLE, "its folder %s is not a folder", folder);
    else
        refuse(refusal, NOT_EXECUTABLE, "its folder %s can't be entered: %s", folder,
               strerror(errno));
    return false;
}

static const char *path_of(const struct order *order)
{
    for (char **variable = order->env; *variable; variable++)
        if (strncmp(*variable, "PATH=", 5) == 0)
            return *variable + 5;
    return DEFAULT_PATH;
}

/*
 * Executes a file; one of no known format by the shell, as execvp(3) and the shell itself do:
 * a script needs no #! line.  Returns what was wrong.
 */
static int become_file(char *place, char *script, const struct order *order)
{
    char **words = order->argv - 1;

    words[1] = order->program;
    execve(place, order->argv, order->env);
    if (errno != ENOEXEC)
        return errno;
    words[0] = (char *)SHELL;
    words[1] = script;
    execve(SHELL, words, order->env);
    return errno;
}

/*
 * Looks for the program as execvp(3): what is found but is not for us does not end the search.
 * Returns what was wrong with the first that was found; 0: none was.
 */
static int search(const struct order *order, char *room)
{
    char *place = stpcpy(room, HERE);
    int worst = 0;

    for (const char *folder = path_of(order), *end;; folder = end + 1) {
        struct stat found;

        end = strchrnul(folder, ':');
        char *name = mempcpy(place, folder, (size_t)(end - folder));
        if (name != place && name[-1] != '/')
            *name++ = '/';
        strcpy(name, order->program);
        bool bare = name == place;
        char *file = *place == '-' ? room : place;
        int wrong = become_file(file, bare ? room : file, order);
        bool missing = (wrong == ENOENT || wrong == ENOTDIR) && lstat(place, &found) != 0;
        if (!missing && !worst)
            worst = wrong;
        if ((!missing && wrong != EACCES) || !*end)
            return worst;
    }
}

static void explain(const char *program, int wrong, struct refusal *refusal)
{
    const char *why = strerror(wrong);

    if (wrong == ENOENT || wrong == ENOTDIR || wrong == ELOOP) {
        refuse(refusal, NOT_FOUND, "the interpreter of %s, or what it links to, is missing",
               program);
        return;
    }
    if (wrong == EACCES)
        why = "it is not executable, or there is no right to it";
    else if (wrong == EPERM)
        why = "there is no right to it";
    else if (wrong == E2BIG)
        why = "its arguments and its environment are too large";
    else if (wrong == EAGAIN)
        why = "its user runs too many processes";
    refuse(refusal, NOT_EXECUTABLE, "%s can't be executed: %s", program, why);
}

static void become_program(const struct order *order, char *room, struct refusal *refusal)
{
    char *program = order->program, *file = program;
    bool placed = strchr(program, '/');
    struct stat found;
    int wrong;

    if (!*program) {
        refuse(refusal, NOT_FOUND, "there is no program without a name");
        return;
    }
    if (placed && *program == '-')
        file = strcat(strcpy(room, HERE), program);
    wrong = placed ? become_file(file, file, order) : search(order, room);
    if (placed && (wrong == ENOENT || wrong == ENOTDIR) && lstat(file, &found) != 0)
        wrong = 0;
    if (wrong)
        explain(program, wrong, refusal);
    else
        refuse(refusal, NOT_FOUND, "there is no program %s%s", program,
               placed ? "" : " in any folder of PATH");
}

/* In the child: be the program, or say why not. */
static void become(const struct order *order, bool joined, const int streams[3], pid_t parent,
                   char *room, struct refusal *refusal)
{
    sigset_t none;

    setsid();
    for (int stream = 0; stream < 3; stream++)
        if (streams[stream] != stream && dup2(streams[stream], stream) < 0) {
            refuse(refusal, NOT_EXECUTABLE, "it can't be given its pipes: %s", strerror(errno));
            return;
        }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(order->umask);
    if (order->group && !joined && !join(order->group, refusal))
        return;
    if (!constrain(order, refusal) || !identify(order, refusal) || !enter(order->cwd, refusal))
        return;
    /*
     * The wish to die with the parent is forgotten whenever the identity changes: so it comes
     * last, and what happened before it is looked up after it.
     */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() == parent)
        become_program(order, room, refusal);
}

/*
 * A child that begins within the cgroup of the program: to be moved there takes 10 ms and more,
 * since the kernel waits for all processors.  It has a copy of our memory, so that what it finds
 * wrong has to be in some that is shared.  -1: that does not work here (Linux 5.7).
 */
static pid_t fork_within(const struct order *order, const int streams[3], pid_t parent,
                         char *room, struct refusal *shared)
{
    pid_t pid = -1;

#if defined CLONE_INTO_CGROUP && defined SYS_clone3
    struct clone_args how = {.flags = CLONE_INTO_CGROUP | CLONE_VFORK, .exit_signal = SIGCHLD};
    int folder = open(order->group, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return -1;
    how.cgroup = (__u64)folder;
    pid = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    if (pid == 0) {
        become(order, true, streams, parent, room, shared);
        _exit(NOT_EXECUTABLE);
    }
    close(folder);
#endif
    return pid;
}

static pid_t execute_within(const struct order *order, const int streams[3], char *room,
                            struct refusal *refusal)
{
    struct refusal *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return -1;
    pid_t pid = fork_within(order, streams, getpid(), room, shared);
    if (pid > 0 && shared->code)
        refuse(refusal, shared->code, "%s", shared->why);
    munmap(shared, sizeof *shared);
    return pid;
}

/* Not a part of its caller: what a compiler keeps of memory over this call may not be so. */
__attribute__((noinline)) static pid_t fork_program(const struct order *order,
                                                    const int streams[3], pid_t parent,
                                                    char *room, struct refusal *refusal)
{
    pid_t pid = vfork();

    if (pid == 0) {
        become(order, false, streams, parent, room, refusal);
        _exit(NOT_EXECUTABLE);
    }
    return pid;
}

pid_t execute(const struct order *order, const int streams[3], struct refusal *refusal)
{
    /* For each folder of PATH, with the program behind it and "./" before it. */
    char *room = malloc(strlen(path_of(order)) + strlen(order->program) + sizeof HERE + 1);
    pid_t pid = -1;

    refusal->code = 0;
    if (room && order->group)
        pid = execute_within(order, streams, room, refusal);
    if (room && pid < 0) /* and the reason why it can't be put into its group is found */
        pid = fork_program(order, streams, getpid(), room, refusal);
    if (pid < 0)
        refuse(refusal, NOT_EXECUTABLE, "no process can be made for it: %s", strerror(errno));
    free(room);
    return pid;
}
