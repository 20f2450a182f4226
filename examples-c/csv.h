/* Houses from a file, neighbours to a file. Both report a failure in a sentence on stderr and return false. */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* House i, 0 <= i < n, is at easting coords[2 i], northing coords[2 i + 1], in metres, and on data row row[i] of the
 * file, counted from 0. */
typedef struct houses {
  size_t n;
  double *coords;
  int64_t *row;
} houses;

/* Reads a file whose header starts with "easting,northing". */
bool houses_read(const char *path, houses *out);

/* Keeps n of the houses, evenly spaced in the file; n <= all->n. */
void houses_thin(houses *all, size_t n);

void houses_free(houses *all);

/* Writes line t for house order[t], t < n: its row and those of its k neighbours, neighbors[t * k] to
 * neighbors[t * k + k - 1], -1 where there is none. */
bool neighbors_write(const char *path, const houses *all, const int64_t *order, const int64_t *neighbors, size_t k);

#endif
