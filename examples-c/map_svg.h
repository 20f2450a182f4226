/* A map of all houses with an inset that tells two neighbour sets of one house apart, as an SVG file. */
#ifndef MAP_SVG_H
#define MAP_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Points are (easting, northing) in metres; ids count from 0. */
typedef struct house_map {
  const char *title;
  const char *subtitle;
  size_t n;
  const double *coords;    /* n x 2, row-major */
  const size_t *rank;      /* place of each house in the ordering */
  size_t m;
  const double *inducing;  /* m x 2, row-major */
  size_t house;            /* the house whose neighbours are drawn */
  size_t k;
  const int64_t *residual; /* its k neighbours by residual correlation, -1 where there is none */
  const int64_t *euclidean; /* and by Euclidean distance */
} house_map;

/* Writes the map; false, with a sentence on stderr, where the file cannot be written. */
bool map_svg_write(const char *path, const house_map *map);

#endif
