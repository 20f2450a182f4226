#include "csv.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(houses *all, size_t capacity) {
  double *coords = realloc(all->coords, 2 * capacity * sizeof *coords);
  if (coords != NULL) all->coords = coords;
  int64_t *row = realloc(all->row, capacity * sizeof *row);
  if (row != NULL) all->row = row;
  return coords != NULL && row != NULL;
}

/* Reads two numbers, each followed by a comma or the end of the line. */
static bool parse_location(const char *line, double *easting, double *northing) {
  char *end = NULL;
  *easting = strtod(line, &end);
  if (end == line || *end != ',' || !isfinite(*easting)) return false;
  const char *second = end + 1;
  *northing = strtod(second, &end);
  return end != second && strchr(",\r\n", *end) != NULL && isfinite(*northing);
}

static bool read_lines(FILE *file, const char *path, houses *out) {
  char line[512] = "";
  if (fgets(line, sizeof line, file) == NULL && ferror(file)) {
    fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
    return false;
  }
  if (strncmp(line, "easting,northing", 16) != 0) {
    fprintf(stderr, "%s: the first line must start with easting,northing\n", path);
    return false;
  }
  size_t capacity = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (out->n == capacity) {
      capacity = capacity == 0 ? 1024 : 2 * capacity;
      if (!grow(out, capacity)) {
        fprintf(stderr, "%s: no memory for %zu houses\n", path, capacity);
        return false;
      }
    }
    const size_t i = out->n;
    if (!parse_location(line, &out->coords[2 * i], &out->coords[2 * i + 1])) {
      fprintf(stderr, "%s, line %zu: not an easting and a northing: %s%s", path, i + 2, line,
              strchr(line, '\n') == NULL ? "\n" : "");
      return false;
    }
    out->row[i] = (int64_t)i;
    out->n++;
  }
  if (ferror(file)) {
    fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
    return false;
  }
  if (out->n == 0) fprintf(stderr, "%s holds no house\n", path);
  return out->n > 0;
}

bool houses_read(const char *path, houses *out) {
  *out = (houses){0, NULL, NULL};
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
    return false;
  }
  const bool ok = read_lines(file, path, out);
  fclose(file);
  if (!ok) houses_free(out);
  return ok;
}

void houses_thin(houses *all, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const size_t from = (size_t)((uint64_t)i * all->n / n); /* from >= i: nothing is overwritten before it is read */
    all->coords[2 * i] = all->coords[2 * from];
    all->coords[2 * i + 1] = all->coords[2 * from + 1];
    all->row[i] = all->row[from];
  }
  all->n = n;
}

void houses_free(houses *all) {
  free(all->coords);
  free(all->row);
  *all = (houses){0, NULL, NULL};
}

bool neighbors_write(const char *path, const houses *all, const int64_t *order, const int64_t *neighbors, size_t k) {
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
    return false;
  }
  fprintf(file, "house");
  for (size_t j = 1; j <= k; j++) fprintf(file, ",neighbor_%zu", j);
  fputc('\n', file);
  for (size_t t = 0; t < all->n; t++) {
    fprintf(file, "%" PRId64, all->row[order[t]]);
    for (size_t j = 0; j < k; j++) {
      const int64_t neighbor = neighbors[t * k + j];
      fprintf(file, ",%" PRId64, neighbor < 0 ? -1 : all->row[neighbor]);
    }
    fputc('\n', file);
  }
  const bool failed = ferror(file) != 0;
  if (fclose(file) != 0 || failed) {
    fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
    return false;
  }
  return true;
}
