/* In: a script's report. Out: what an expansion is asked for: how much, and where. */
#include <string.h>

#include "job/script_impl.h"
#include "job/section.h"

#define WORDS_PER_POINT  110 /* what a content point that was left out is given */
#define WORDS_PER_PHRASE 30
#define WORDS_MIN        60

static int count(const struct report *r, const char *code)
{
    int n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += strcmp(r->items[i].code, code) == 0;
    return n;
}

/* The chunk with the fewest words; 0 when the script has one chunk or no times. */
static int shortest_chunk(const struct script *s, int *ret_words)
{
    int words[PLAN_CHUNKS_MAX + 1], shortest = 1;
    if (s->plan.chunks < 2 || !check_chunk_words(s->text, strlen(s->text), &s->plan, words))
        return 0;
    for (int i = 2; i <= s->plan.chunks; i++)
        if (words[i] < words[shortest])
            shortest = i;
    *ret_words = words[shortest];
    return shortest;
}

/* The last spoken section is the conclusion: additions end where it begins. */
static int64_t conclusion_at(const struct script *s)
{
    struct sections sections;
    int64_t at_s = -1;
    sections_scan(s->text, strlen(s->text), &sections);
    for (size_t i = 1; i < sections.n && sections.items[i].kind == SECTION_SPOKEN; i++)
        if (sections.items[i].at_s >= 0)
            at_s = sections.items[i].at_s;
    sections_free(&sections);
    return at_s;
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

struct gaps script_gaps(const struct script *s)
{
    const struct report *r = &s->report;
    struct gaps g = {.to_s = s->plan.duration_s,
                     .description = count(r, "description_missing") > 0,
                     .tags = count(r, "tags_missing") + count(r, "tags_few") > 0};
    int of_chunk = 0;
    g.chunk = shortest_chunk(s, &of_chunk);
    if (count(r, "too_short") > 0) {
        int missing = s->plan.words - r->words, share = s->plan.words / s->plan.chunks;
        if (g.chunk > 0 && share - of_chunk < missing)
            missing = share - of_chunk;
        g.words = clamp(missing, WORDS_MIN, s->plan.chunk_words);
    }
    int for_points =
        WORDS_PER_POINT * count(r, "point_missing") + WORDS_PER_PHRASE * count(r, "phrase_missing");
    if (for_points > g.words)
        g.words = clamp(for_points, WORDS_MIN, s->plan.chunk_words);
    if (g.chunk > 0)
        plan_chunk_span(&s->plan, g.chunk, &g.from_s, &g.to_s);
    int64_t end = conclusion_at(s);
    if ((g.chunk == 0 || g.chunk == s->plan.chunks) && end > g.from_s)
        g.to_s = end;
    return g;
}
