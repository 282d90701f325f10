#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/build.h"
#include "profiler/cli/cli.h"
#include "profiler/cli/sweep_run.h"

struct command {
    const char *name, *what;
    int (*run)(int argc, const char **argv);
};

static const struct command commands[] = {
#define MOP_COMMAND_ROW(name, what) {#name, what, mop_cmd_##name},
#include "profiler/cli/commands.def"
#undef MOP_COMMAND_ROW
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *to)
{
    fprintf(to,
            "moprof measures what latency follows: it builds mobile networks, times them on CPU\n"
            "and Vulkan back ends, and keeps every sample.\n\n"
            "usage: moprof COMMAND [options]    moprof COMMAND --help\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\nexit codes: 0 done, 1 failed, 2 usage, 3 a comparison found what --fail-on "
                "names, 4 it left\n"
                "that open, 5 no such device here, 6 some rows failed and the others are stored, 7 "
                "an output\n"
                "check failed, 130 interrupted after a clean flush\n"
                "\nstart with: moprof sweep --variants all\n");
}

static int unknown_command(const char *word)
{
    const char *names[N_COMMANDS + 2] = {"--help", "--version"};
    const char *near;
    for (int i = 0; i < N_COMMANDS; i++)
        names[i + 2] = commands[i].name;
    near = mop_nearest(word, names, N_COMMANDS + 2);
    if (near != NULL)
        return mop_cli_usage("there is no command '%s'; the nearest is '%s'", word, near);
    return mop_cli_usage("there is no command '%s'; `moprof --help` lists them", word);
}

/* What was printed is only done once it has arrived; a failure told already is not told again. */
static int flushed(int code)
{
    int is_bad = fflush(stdout) != 0 || ferror(stdout);
    if (!is_bad || code != MOP_EXIT_DONE)
        return code;
    mop_cli_note("cannot write to standard output: %s", strerror(errno != 0 ? errno : EIO));
    return MOP_EXIT_FAILED;
}

int main(int argc, const char **argv)
{
    (void)setlocale(LC_ALL, "C"); /* numbers keep their decimal point everywhere */
    if (argc < 2) {
        print_help(stderr);
        return MOP_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        print_help(stdout);
        return flushed(MOP_EXIT_DONE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("moprof %s, compiler %s, shaders %016llx\n", mop_build_id(), mop_build_compiler(),
               (unsigned long long)mop_build_shader_hash());
        return flushed(MOP_EXIT_DONE);
    }
    if (strcmp(argv[1], "help") == 0) {
        const char *const help[] = {argv[2], "--help"};
        memcpy(argv + 1, help, sizeof help);
        argc = 3;
    }
    if (strcmp(argv[1], MOP_WORKER_COMMAND) == 0)
        return flushed(mop_cli_sweep_worker(argc - 1, argv + 1));
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return flushed(commands[i].run(argc - 1, argv + 1));
    return unknown_command(argv[1]);
}
