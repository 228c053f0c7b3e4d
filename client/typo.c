/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The distance of Damerau and Levenshtein, between words that are short.
 */

#include "typo.h"

static unsigned smallest(unsigned a, unsigned b, unsigned c) {
        return MIN(MIN(a, b), c);
}

unsigned typo_distance(const char *word, const char *name) {
        unsigned d[TYPO_MAX][TYPO_MAX];
        size_t n = strlen(word), m = strlen(name);

        if (n >= TYPO_MAX || m >= TYPO_MAX)
                return TYPO_NONE;
        for (size_t i = 0; i <= n; i++)
                for (size_t j = 0; j <= m; j++) {
                        if (i == 0 || j == 0) {
                                d[i][j] = (unsigned) (i + j);
                                continue;
                        }
                        d[i][j] = smallest(d[i - 1][j] + 1, d[i][j - 1] + 1,
                                           d[i - 1][j - 1] + (word[i - 1] != name[j - 1]));
                        if (i > 1 && j > 1 && word[i - 1] == name[j - 2] &&
                            word[i - 2] == name[j - 1])
                                d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
                }
        return d[n][m] <= (m <= 5 ? 1 : 2) ? d[n][m] : TYPO_NONE;
}
