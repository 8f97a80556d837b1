/* In: a directory of inputs. Out: each of them, and the empty one, fed to the fuzz target this is
 * linked with; so that what a fuzzer once found stays found, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    /* One byte more than the largest input, so that a longer file is noticed. */
    uint8_t *bytes = malloc(INPUT_MAX + 1);
    if (bytes == NULL)
        abort();
    size_t n = fread(bytes, 1, INPUT_MAX + 1, f);
    (void)fclose(f);
    /* An exact allocation lets the address sanitizer see a read past the end. */
    uint8_t *exact = malloc(n > 0 ? n : 1);
    if (exact == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        exact[i] = bytes[i];
    free(bytes);
    int bad = n > INPUT_MAX;
    if (!bad)
        (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return bad;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 1;
    }
    uint8_t nothing = 0;
    (void)LLVMFuzzerTestOneInput(&nothing, 0);
    int fed = 0, bad = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[4096];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        bad += feed_file(path);
        fed++;
    }
    (void)closedir(dir);
    (void)printf("%d inputs\n", fed);
    return bad != 0 || fed == 0;
}
