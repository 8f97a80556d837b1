/* In: jobs that somebody looks at, and what is known of them. Out: what has come since: steps, text
 * and the row as it is now. */
#include "store/sqlite/sqlite.h"

#include <string.h>

#include "base/buf.h"

static const char sql_known[] =
    "SELECT 1 FROM scriptorium_step WHERE n = ? AND job_id = ? AND run = ? AND input_hash = ?";
/* Newest first: only what is new is read, however long the text is. */
static const char sql_text_back[] =
    "SELECT step, input_hash, call, at, text FROM scriptorium_text INDEXED BY scriptorium_text_job"
    " WHERE job_id = ? ORDER BY n DESC";

/* Places may be given again after a step was taken away: the hash tells. */
static bool is_known(struct sqlite_store *s, const struct store_follow *f, int run)
{
    if (f->place == 0 || f->run != run)
        return false;
    struct query *q = db_query(s->db, sql_known);
    query_int(q, f->place);
    query_id(q, &f->job);
    query_int(q, run);
    query_text(q, f->step_hash);
    bool known = query_next(q);
    if (known)
        query_end(q);
    return known;
}

static enum err read_steps(struct sqlite_store *s, const struct store_follow *f, struct arena *a,
                           struct store_followed *out)
{
    bool known = is_known(s, f, out->job.run);
    struct sqlite_steps_wanted want = {
        .job = &f->job, .run = out->job.run, .after = known ? f->place : 0, .texts = true};
    out->whole = !known && f->place > 0;
    return sqlite_steps_read(s, &want, a, &out->steps, &out->n_steps);
}

struct piece {
    struct piece *after;
    const char *text;
};

static enum err read_text(struct sqlite_store *s, const struct store_follow *f, struct arena *a,
                          struct store_followed *out)
{
    struct piece *first = NULL;
    size_t from = 0;
    struct query *q = db_query(s->db, sql_text_back);
    query_id(q, &f->job);
    while (query_next(q)) {
        if (out->text_step == NULL) {
            out->text_step = query_copy_text(q, 0, a);
            out->text_hash = query_copy_text(q, 1, a);
            out->text_call = query_get_id(q, 2);
            from = uuid_equal(&out->text_call, &f->call) ? f->offset : 0;
        } else if (strcmp(query_get_text(q, 0), out->text_step) != 0 ||
                   strcmp(query_get_text(q, 1), out->text_hash) != 0) {
            break;
        }
        size_t at = (size_t)query_get_int(q, 3);
        if (at < from)
            break;
        struct piece *piece = arena_alloc(a, sizeof *piece);
        *piece = (struct piece){first, query_copy_text(q, 4, a)};
        first = piece;
        if (at == from)
            break;
    }
    query_end(q);
    struct buf text = BUF_INIT(STORE_TEXT_MAX);
    enum err e = db_error(s->db);
    for (; e == OK && first != NULL; first = first->after)
        e = buf_adds(&text, first->text);
    if (e == OK && out->text_step != NULL) {
        out->text = arena_strndup(a, buf_str(&text), text.len);
        out->text_len = text.len;
        out->text_offset = from;
    }
    buf_free(&text);
    return e;
}

enum err sqlite_follow(struct sqlite_store *s, struct store_op *op)
{
    struct store_followed *out = arena_array(&op->arena, op->n, sizeof *out);
    enum err e = OK;
    for (size_t i = 0; i < op->n && e == OK; i++) {
        const struct store_follow *f = &op->in.follow[i];
        e = sqlite_row(s, &f->job, &op->arena, &out[i].job, &out[i].found);
        if (e == OK && out[i].found)
            e = read_steps(s, f, &op->arena, &out[i]);
        if (e == OK && out[i].found)
            e = read_text(s, f, &op->arena, &out[i]);
    }
    op->result.followed = out;
    op->result.n = op->n;
    return e;
}
