/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One pass over the text with a stack of what is open: quotes, substitutions, groups, keywords. A
 * list item that ends with "&" is not waited for, so what was found since its start is forgotten.
 */

#include "shell-commands.h"

#include <ctype.h>

#include "util.h"

#define DEPTH_MAX     64U
#define FOUND_MAX     64U
#define WORD_MAX_SIZE 256U
#define DOCUMENTS_MAX 4U

typedef enum Kind {
        KIND_SCRIPT,
        KIND_SUBSHELL,     /* ( ) */
        KIND_SUBSTITUTION, /* $( ) */
        KIND_BACKQUOTE,
        KIND_QUOTE, /* double */
        KIND_GROUP, /* { } */
        KIND_ARRAY, /* name=( ) */
        KIND_KEYWORD,
        KIND_CASE,
} Kind;

typedef struct Frame {
        Kind kind;
        size_t item;     /* how many were found before the list item that is open */
        bool command;    /* of the word that it is a part of: whether it is a command's name, */
        bool assignment; /* or is one that stands before it */
        bool pattern;    /* of KIND_CASE: not yet behind the ")" */
} Frame;

/* A here-document that begins with the next line. */
typedef struct Document {
        char end[64];
        bool tabs; /* may stand before END */
} Document;

typedef struct Scan {
        const char *p, *end;
        unsigned line;
        ShellCommandWanted *is_wanted;
        Frame stack[DEPTH_MAX];
        size_t depth; /* of the open frame */
        ShellCommand found[FOUND_MAX];
        size_t n_found;
        Document documents[DOCUMENTS_MAX];
        size_t n_documents;
        bool command;    /* the next word is a command's name, or what stands before one */
        bool in_word;    /* WORD is not ended */
        bool assignment; /* a substitution is in the value of one */
        char word[WORD_MAX_SIZE];
        size_t word_size;
        bool lost; /* it cannot be followed */
} Scan;

static Frame *top(Scan *scan) {
        return &scan->stack[scan->depth];
}

/* NUL behind the end. */
static char peek(const Scan *scan, size_t n) {
        if ((size_t) (scan->end - scan->p) <= n)
                return '\0';
        return scan->p[n];
}

/* Goes on by N characters. */
static void skip(Scan *scan, size_t n) {
        for (; n > 0 && scan->p < scan->end; n--)
                scan->line += *scan->p++ == '\n';
}

/* Behind the next TEXT; to the end where there is none. */
static void skip_past(Scan *scan, const char *text) {
        const char *found = memmem(scan->p, (size_t) (scan->end - scan->p), text, strlen(text));

        skip(scan,
             found ? (size_t) (found - scan->p) + strlen(text) : (size_t) (scan->end - scan->p));
}

static void add_to_word(Scan *scan, char c) {
        if (scan->word_size + 1 < WORD_MAX_SIZE)
                scan->word[scan->word_size++] = c;
        scan->in_word = true;
}

static void push(Scan *scan, Kind kind) {
        if (scan->depth + 1 >= DEPTH_MAX) {
                scan->lost = true;
                return;
        }
        scan->stack[++scan->depth] = (Frame){ .kind = kind, .item = scan->n_found };
}

static void pop(Scan *scan) {
        if (scan->depth > 0)
                scan->depth--;
}

static bool pop_kind(Scan *scan, Kind kind) {
        if (top(scan)->kind != kind)
                return false;
        pop(scan);
        return true;
}

static void end_item(Scan *scan) {
        top(scan)->item = scan->n_found;
        scan->command = true;
}

static bool is_any(const char *word, const char *const *words) {
        for (; *words; words++)
                if (streq(word, *words))
                        return true;
        return false;
}

/* "NAME=", "NAME+=", "NAME[INDEX]=" */
static bool is_assignment(const char *word) {
        const char *p = word;

        while (isalnum((unsigned char) *p) || *p == '_')
                p++;
        if (p == word || isdigit((unsigned char) *word))
                return false;
        if (*p == '[')
                p += strcspn(p, "]") + (strchr(p, ']') != NULL);
        return *p == '=' || (*p == '+' && p[1] == '=');
}

/* Returns whether WORD is one that a command begins with, and not its name. */
static bool take_keyword(Scan *scan, const char *word) {
        static const char *const openers[] = { "if", "while", "until", NULL };
        static const char *const middles[] = { "then", "do", "else", "elif", "!", NULL };
        static const char *const closers[] = { "fi", "done", NULL };
        /* Programs and builtins that start what is behind them, and wait for it. */
        static const char *const starters[] = { "time",   "exec",   "command", "builtin", "env",
                                                "sudo",   "nice",   "ionice",  "timeout", "nohup",
                                                "chroot", "stdbuf", NULL };

        if (is_any(word, openers))
                push(scan, KIND_KEYWORD);
        else if (is_any(word, closers)) {
                (void) pop_kind(scan, KIND_KEYWORD);
                scan->command = false;
        } else if (streq(word, "for") || streq(word, "select")) {
                push(scan, KIND_KEYWORD);
                scan->command = false;
        } else if (streq(word, "case")) {
                push(scan, KIND_CASE);
                top(scan)->pattern = true;
                scan->command = false;
        } else if (streq(word, "esac")) {
                (void) pop_kind(scan, KIND_CASE);
                scan->command = false;
        } else if (streq(word, "{"))
                push(scan, KIND_GROUP);
        else if (streq(word, "}")) {
                (void) pop_kind(scan, KIND_GROUP);
                scan->command = false;
        } else
                return is_any(word, middles) || is_any(word, starters);
        return true;
}

static void take_name(Scan *scan, const char *word) {
        const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
        ShellCommand command = { .line = scan->line };

        scan->command = false;
        if (scan->n_found >= FOUND_MAX || strlen(name) >= sizeof(command.name) ||
            !scan->is_wanted(name, scan->p, (size_t) (scan->end - scan->p)))
                return;
        (void) strcpy(command.name, name);
        scan->found[scan->n_found++] = command;
}

static void end_word(Scan *scan) {
        Frame *frame = top(scan);
        bool assignment = scan->assignment;

        if (!scan->in_word)
                return;
        scan->word[scan->word_size] = '\0';
        scan->in_word = false;
        scan->word_size = 0;
        scan->assignment = false;
        if (frame->kind == KIND_CASE && frame->pattern) {
                if (streq(scan->word, "esac"))
                        pop(scan);
                return;
        }
        if (!scan->command || assignment || is_assignment(scan->word) ||
            take_keyword(scan, scan->word))
                return;
        /* Options, and numbers such as timeout's, of what starts another command. */
        if (*scan->word != '-' && !isdigit((unsigned char) *scan->word))
                take_name(scan, scan->word);
}

/* Opens a substitution inside a word. */
static void push_inside(Scan *scan, Kind kind) {
        bool command = scan->command;

        scan->word[scan->word_size] = '\0';
        push(scan, kind);
        top(scan)->command = command;
        top(scan)->assignment = scan->assignment || (command && is_assignment(scan->word));
        scan->command = true;
        scan->in_word = false;
        scan->word_size = 0;
        scan->assignment = false;
}

/* Closes it, and goes on with the word, whose text nobody knows. */
static void pop_inside(Scan *scan) {
        end_word(scan);
        scan->command = top(scan)->command;
        scan->assignment = top(scan)->assignment;
        pop(scan);
        add_to_word(scan, '$');
}

/* At a dollar sign. */
static void take_dollar(Scan *scan) {
        if (peek(scan, 1) == '(' && peek(scan, 2) == '(')
                skip_past(scan, "))");
        else if (peek(scan, 1) == '(') {
                push_inside(scan, KIND_SUBSTITUTION);
                skip(scan, 2);
                return;
        } else if (peek(scan, 1) == '{')
                skip_past(scan, "}");
        else
                skip(scan, 1);
        add_to_word(scan, '$');
}

static void take_backquote(Scan *scan) {
        size_t depth = scan->depth;

        skip(scan, 1);
        while (depth > 0 && scan->stack[depth].kind != KIND_BACKQUOTE)
                depth--;
        if (depth == 0) {
                push_inside(scan, KIND_BACKQUOTE);
                return;
        }
        end_word(scan);
        scan->depth = depth;
        pop_inside(scan);
}

static void take_single_quote(Scan *scan, bool escapes) {
        skip(scan, 1);
        while (scan->p < scan->end && *scan->p != '\'') {
                if (escapes && *scan->p == '\\')
                        skip(scan, 1);
                add_to_word(scan, peek(scan, 0));
                skip(scan, 1);
        }
        skip(scan, 1);
        scan->in_word = true;
}

static void take_quoted(Scan *scan) {
        switch (*scan->p) {
        case '"':
                pop(scan);
                skip(scan, 1);
                scan->in_word = true;
                break;
        case '\\':
                skip(scan, 2);
                break;
        case '$':
                take_dollar(scan);
                break;
        case '`':
                take_backquote(scan);
                break;
        default:
                add_to_word(scan, *scan->p);
                skip(scan, 1);
        }
}

static void skip_blanks(Scan *scan) {
        while (peek(scan, 0) == ' ' || peek(scan, 0) == '\t')
                skip(scan, 1);
}

/* Behind "<<". A number is shifted by, and ends nothing. */
static void take_document(Scan *scan) {
        Document document = { .tabs = peek(scan, 0) == '-' };
        size_t n = 0;

        skip(scan, document.tabs);
        skip_blanks(scan);
        for (; scan->p < scan->end && !strchr(" \t\n;&|<>()", *scan->p); skip(scan, 1))
                if (!strchr("'\"\\", *scan->p) && n + 1 < sizeof(document.end))
                        document.end[n++] = *scan->p;
        if (n > 0 && !isdigit((unsigned char) *document.end) && scan->n_documents < DOCUMENTS_MAX)
                scan->documents[scan->n_documents++] = document;
}

static void skip_document(Scan *scan, const Document *document) {
        while (scan->p < scan->end) {
                const char *line = scan->p;
                size_t n;

                skip_past(scan, "\n");
                while (document->tabs && line < scan->end && *line == '\t')
                        line++;
                n = strlen(document->end);
                if ((size_t) (scan->end - line) >= n && memcmp(line, document->end, n) == 0 &&
                    (line + n == scan->end || line[n] == '\n'))
                        return;
        }
}

/* The file behind "<" or ">" is no command; what is behind that may be. */
static void take_redirection(Scan *scan) {
        bool command = scan->command;
        char c = *scan->p;

        if (scan->in_word && strspn(scan->word, "0123456789") >= scan->word_size) {
                scan->in_word = false; /* "2>" */
                scan->word_size = 0;
        }
        end_word(scan);
        command &= scan->command;
        if (peek(scan, 1) == '(') {
                skip(scan, 1);
                return;
        }
        if (c == '<' && peek(scan, 1) == '<' && peek(scan, 2) != '<') {
                skip(scan, 2);
                take_document(scan);
                return;
        }
        while (strchr("<>&|", peek(scan, 0)) && scan->p < scan->end)
                skip(scan, 1);
        skip_blanks(scan);
        /* Read as a value is: whatever it is, it is no name. */
        scan->assignment = command;
        if (command && scan->p < scan->end && !strchr(" \t\n;&|<>()", *scan->p))
                scan->in_word = true;
}

static void take_newline(Scan *scan) {
        end_word(scan);
        skip(scan, 1);
        for (size_t i = 0; i < scan->n_documents; i++)
                skip_document(scan, &scan->documents[i]);
        scan->n_documents = 0;
        if (top(scan)->kind != KIND_ARRAY)
                end_item(scan);
}

static void take_ampersand(Scan *scan) {
        end_word(scan);
        if (peek(scan, 1) == '>') {
                skip(scan, 1);
                take_redirection(scan);
                return;
        }
        if (peek(scan, 1) == '&')
                scan->command = true;
        else {
                scan->n_found = MIN(scan->n_found, top(scan)->item);
                end_item(scan);
        }
        skip(scan, peek(scan, 1) == '&' ? 2 : 1);
}

static void take_semicolon(Scan *scan) {
        end_word(scan);
        if (top(scan)->kind == KIND_CASE && (peek(scan, 1) == ';' || peek(scan, 1) == '&'))
                top(scan)->pattern = true;
        end_item(scan);
        while (peek(scan, 0) == ';' || (top(scan)->kind == KIND_CASE && peek(scan, 0) == '&'))
                skip(scan, 1);
}

/* At "((". Two subshells may begin so as well, but seldom end in the same line. */
static bool is_arithmetic(const Scan *scan) {
        const char *newline = memchr(scan->p, '\n', (size_t) (scan->end - scan->p));
        const char *end = newline ? newline : scan->end;

        return peek(scan, 1) == '(' && memmem(scan->p, (size_t) (end - scan->p), "))", 2);
}

static void take_opening(Scan *scan) {
        if (scan->in_word && scan->word_size > 0 && scan->word[scan->word_size - 1] == '=') {
                end_word(scan);
                push(scan, KIND_ARRAY);
                top(scan)->command = scan->command;
                scan->command = false;
        } else if (scan->in_word && peek(scan, 1) == ')') { /* a function's name */
                scan->in_word = false;
                scan->word_size = 0;
                scan->command = true;
                skip(scan, 1);
        } else if (is_arithmetic(scan)) {
                skip_past(scan, "))");
                return;
        } else if (top(scan)->kind != KIND_CASE || !top(scan)->pattern) {
                end_word(scan);
                push(scan, KIND_SUBSHELL);
                scan->command = true;
        }
        skip(scan, 1);
}

static void take_closing(Scan *scan) {
        Frame *frame;

        end_word(scan); /* it may close something itself */
        frame = top(scan);
        skip(scan, 1);
        if (frame->kind == KIND_SUBSTITUTION)
                pop_inside(scan);
        else if (frame->kind == KIND_CASE && frame->pattern) {
                frame->pattern = false;
                scan->command = true;
        } else if (frame->kind == KIND_ARRAY) {
                scan->command = frame->command;
                pop(scan);
        } else {
                (void) pop_kind(scan, KIND_SUBSHELL);
                scan->command = false;
        }
}

static void take_plain(Scan *scan) {
        switch (*scan->p) {
        case '\n':
                take_newline(scan);
                break;
        case ' ':
        case '\t':
                end_word(scan);
                skip(scan, 1);
                break;
        case '#':
                if (scan->in_word)
                        add_to_word(scan, '#');
                while (!scan->in_word && scan->p < scan->end && *scan->p != '\n')
                        skip(scan, 1);
                skip(scan, scan->in_word);
                break;
        case ';':
                take_semicolon(scan);
                break;
        case '&':
                take_ampersand(scan);
                break;
        case '|':
                end_word(scan);
                scan->command = true;
                skip(scan, peek(scan, 1) == '|' || peek(scan, 1) == '&' ? 2 : 1);
                break;
        case '(':
                take_opening(scan);
                break;
        case ')':
                take_closing(scan);
                break;
        case '<':
        case '>':
                take_redirection(scan);
                break;
        case '"':
                push(scan, KIND_QUOTE);
                skip(scan, 1);
                break;
        case '\'':
                take_single_quote(scan, false);
                break;
        case '$':
                if (peek(scan, 1) == '\'') {
                        skip(scan, 1);
                        take_single_quote(scan, true);
                } else
                        take_dollar(scan);
                break;
        case '`':
                take_backquote(scan);
                break;
        case '\\':
                if (peek(scan, 1) != '\n')
                        add_to_word(scan, peek(scan, 1));
                skip(scan, 2);
                break;
        default:
                add_to_word(scan, *scan->p);
                skip(scan, 1);
        }
}

bool shell_commands_find(const char *text, size_t size, ShellCommandWanted *is_wanted,
                         ShellCommand *ret) {
        Scan scan = {
                .p = text,
                .end = text + size,
                .line = 1,
                .is_wanted = is_wanted,
                .command = true,
        };

        while (scan.p < scan.end && !scan.lost)
                if (top(&scan)->kind == KIND_QUOTE)
                        take_quoted(&scan);
                else
                        take_plain(&scan);
        end_word(&scan);
        if (scan.lost || scan.n_found == 0)
                return false;
        *ret = scan.found[0];
        return true;
}
