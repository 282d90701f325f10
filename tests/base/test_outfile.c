#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/outfile.h"
#include "tests/support/folder.h"

static char dir[MOP_FOLDER_MAX], path[MOP_FOLDER_MAX + 16];

static int make_dir(void **state)
{
    (void)state;
    if (!mop_folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/result.txt", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(path); /* a test may not have made it */
    return rmdir(dir);  /* fails if a temporary file was left behind */
}

static void write_text(const char *text)
{
    mop_outfile o;
    mop_err err = {0};
    assert_int_equal(mop_outfile_open(&o, path, &err), MOP_OK);
    assert_true(fputs(text, o.f) >= 0);
    assert_int_equal(mop_outfile_commit(&o, &err), MOP_OK);
}

static void assert_holds(const char *text)
{
    char got[64] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    (void)fread(got, 1, sizeof got - 1, f); /* what was read is compared */
    assert_int_equal(fclose(f), 0);
    assert_string_equal(got, text);
}

static size_t files_in_dir(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    assert_int_equal(closedir(d), 0);
    return n - 2; /* . and .. */
}

static void the_old_file_stays_until_the_commit(void **state)
{
    mop_outfile o;
    mop_err err = {0};
    (void)state;
    write_text("old");
    assert_int_equal(mop_outfile_open(&o, path, &err), MOP_OK);
    assert_true(fputs("new", o.f) >= 0);
    assert_int_equal(fflush(o.f), 0);
    assert_holds("old");
    assert_int_equal(files_in_dir(), 2);
    assert_int_equal(mop_outfile_commit(&o, &err), MOP_OK);
    assert_holds("new");
    assert_int_equal(files_in_dir(), 1);
}

static void an_abort_leaves_everything_as_it_was(void **state)
{
    mop_outfile o;
    mop_err err = {0};
    (void)state;
    write_text("old");
    assert_int_equal(mop_outfile_open(&o, path, &err), MOP_OK);
    assert_true(fputs("new", o.f) >= 0);
    mop_outfile_abort(&o);
    assert_holds("old");
    assert_int_equal(files_in_dir(), 1);
}

static void a_replaced_file_keeps_its_access_rights(void **state)
{
    struct stat st;
    (void)state;
    write_text("old");
    assert_int_equal(chmod(path, 0640), 0);
    write_text("new");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    mop_outfile o;
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_outfile_open(&o, "/nowhere/at/all.txt", &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "'/nowhere/at/all.txt'"));
}

/* The temporary file must lie beside its target whatever the length of the name. */
static void a_path_without_room_for_a_temporary_name_is_refused(void **state)
{
    (void)state;
    for (size_t n = 4079; n <= 4100; n++) {
        mop_outfile o;
        mop_err err = {0};
        char *name = malloc(n + 1);
        assert_non_null(name);
        for (size_t i = 0; i < n; i++)
            name[i] = i % 2 == 0 ? '.' : '/'; /* "./././": here */
        name[n - 1] = 'x';
        name[n] = '\0';
        if (n <= 4080) {
            assert_int_equal(mop_outfile_open(&o, name, &err), MOP_OK);
            assert_int_equal(strlen(o.temp), n + 7);
            assert_memory_equal(o.temp, name, n);
            mop_outfile_abort(&o);
        } else {
            assert_int_equal(mop_outfile_open(&o, name, &err), MOP_EINVAL);
            assert_non_null(strstr(err.msg, "is too long"));
        }
        free(name);
    }
}

static void a_device_is_written_directly(void **state)
{
    mop_outfile o;
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_outfile_open(&o, "/dev/full", &err), MOP_OK);
    assert_string_equal(o.temp, "");
    assert_true(fputs("x", o.f) >= 0);
    assert_int_equal(mop_outfile_commit(&o, &err), MOP_EIO);
    assert_string_equal(err.msg, "cannot write '/dev/full': No space left on device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_old_file_stays_until_the_commit, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(an_abort_leaves_everything_as_it_was, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_replaced_file_keeps_its_access_rights, make_dir,
                                        remove_dir),
        cmocka_unit_test(a_directory_that_is_not_there_is_named),
        cmocka_unit_test(a_path_without_room_for_a_temporary_name_is_refused),
        cmocka_unit_test(a_device_is_written_directly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
