/* Writing one CSV cell. For the inside of db/. */
#ifndef DB_CSVCELL_H
#define DB_CSVCELL_H

#include <stddef.h>
#include <stdio.h>

/* Writes text, quoted only where a reader would otherwise see something else: separators, quotes,
 * line ends, blanks at either end (libcsv strips them), control characters, and the empty text,
 * which unquoted means NULL. The caller looks at ferror. */
void mop_csv_put_text(const char *text, size_t len, FILE *out);

#endif
