/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Findings are kept in the order in which they were made: that of the folders, types and scripts.
 */

#include "findings.h"

#include <stdarg.h>
#include <stdio.h>

#include "message-json.h"
#include "table.h"
#include "text.h"

typedef struct Finding {
        char *path, *problem, *remedy;
        HookType type;
        const char *kind;
} Finding;

struct Findings {
        Finding *findings;
        size_t n;
        bool failed; /* memory was short */
};

int findings_new(Findings **ret) {
        *ret = calloc(1, sizeof(Findings));
        return *ret ? 0 : -ENOMEM;
}

static void finding_clear(Finding *finding) {
        free(finding->path);
        free(finding->problem);
        free(finding->remedy);
}

Findings *findings_free(Findings *findings) {
        if (!findings)
                return NULL;
        for (size_t i = 0; i < findings->n; i++)
                finding_clear(&findings->findings[i]);
        free(findings->findings);
        free(findings);
        return NULL;
}

static bool is_known(const Findings *findings, const Finding *finding) {
        for (size_t i = 0; i < findings->n; i++)
                if (streq(findings->findings[i].path, finding->path) &&
                    streq(findings->findings[i].problem, finding->problem))
                        return true;
        return false;
}

/* Takes FINDING. */
static void take(Findings *findings, Finding *finding) {
        bool complete = finding->path && finding->problem && finding->remedy;
        Finding *grown = NULL;

        if (complete && !is_known(findings, finding)) {
                grown = reallocarray(findings->findings, findings->n + 1, sizeof(Finding));
                findings->failed |= !grown;
        }
        findings->failed |= !complete;
        if (!grown) {
                finding_clear(finding);
                return;
        }
        findings->findings = grown;
        grown[findings->n++] = *finding;
}

void findings_add(Findings *findings, const Subject *subject, const char *kind, char *remedy,
                  const char *format, ...) {
        Finding finding = {
                .path = strdup(subject->path),
                .remedy = remedy,
                .type = subject->type,
                .kind = kind,
        };
        va_list arguments;

        va_start(arguments, format);
        finding.problem = text_vformat(format, arguments);
        va_end(arguments);
        take(findings, &finding);
}

void findings_add_unreadable(Findings *findings, const Subject *subject, const char *done,
                             int error) {
        findings_add(findings, subject, "unreadable",
                     strdup(error == EACCES ? "run this as root" : "mend the file system"),
                     "it cannot be %s: %s", done, strerror(error));
}

bool findings_has(const Findings *findings, const char *path, const char *kind) {
        for (size_t i = 0; i < findings->n; i++)
                if (streq(findings->findings[i].path, path) &&
                    streq(findings->findings[i].kind, kind))
                        return true;
        return false;
}

size_t findings_count(const Findings *findings) {
        return findings->n;
}

static const char *type_name(const Finding *finding) {
        return finding->type == HOOK_TYPE_INVALID ? "" : hook_type_to_string(finding->type);
}

static int print_json(const Finding *finding) {
        _cleanup_(json_put_pointer) json_object *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;
        r = json_take_bytes(object, "path", finding->path, strlen(finding->path));
        if (r >= 0)
                r = json_take(object, "type", json_object_new_string(type_name(finding)));
        if (r >= 0)
                r = json_take(object, "kind", json_object_new_string(finding->kind));
        if (r >= 0)
                r = json_take(object, "problem", json_object_new_string(finding->problem));
        if (r >= 0)
                r = json_take(object, "remedy", json_object_new_string(finding->remedy));
        if (r >= 0)
                json_print_line(object);
        return r;
}

/* Where the table does not fit: nothing of a command may be cut off. */
static void print_below_each_other(const Finding *finding) {
        terminal_print(COLOUR_BOLD, finding->path);
        (void) fputs("\n  problem: ", stdout);
        terminal_print(COLOUR_BAD, finding->problem);
        (void) fputs("\n  remedy:  ", stdout);
        terminal_print(COLOUR_PLAIN, finding->remedy);
        (void) putchar('\n');
}

static int print_table(const Findings *findings) {
        static const Column columns[] = {
                { "FILE", false, false },
                { "PROBLEM", false, false },
                { "REMEDY", false, false },
        };
        _cleanup_(table_free_pointer) Table *table = NULL;

        if (table_new(&table, columns, ELEMENTS(columns)) < 0)
                return -ENOMEM;
        for (const Finding *f = findings->findings; f < findings->findings + findings->n; f++) {
                table_add(table, COLOUR_BOLD, f->path);
                table_add(table, COLOUR_BAD, f->problem);
                table_add(table, COLOUR_PLAIN, f->remedy);
        }
        if (table_fits(table))
                return table_print(table);
        for (size_t i = 0; i < findings->n; i++)
                print_below_each_other(&findings->findings[i]);
        return 0;
}

int findings_print(const Findings *findings, bool json) {
        if (findings->failed)
                return -ENOMEM;
        if (!json)
                return findings->n > 0 ? print_table(findings) : 0;
        for (size_t i = 0; i < findings->n; i++)
                if (print_json(&findings->findings[i]) < 0)
                        return -ENOMEM;
        return 0;
}
