#include "map_svg.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Blue and vermilion of Okabe and Ito's palette, which colour-blind readers can tell apart; the shapes differ too. */
#define RESIDUAL_COLOUR "#0072b2"
#define EUCLIDEAN_COLOUR "#d55e00"
#define INK "#222222"
#define EARLIER_HOUSE "#8a8a8a"
#define LATER_HOUSE "#d9d9d9"

/* Layout, in pixels. */
enum { WIDTH = 1200, MARGIN = 30, TITLE_HEIGHT = 74, LEGEND_HEIGHT = 74 };

typedef struct point {
  double x, y;
} point;

/* A square or rectangle on the page that shows the part of the country whose south-west corner is `origin`. */
typedef struct frame {
  double left, top, width, height;
  point origin;            /* metres */
  double pixels_per_metre; /* the same both ways: equal axes */
} frame;

static point location(const double *coords, size_t i) { return (point){coords[2 * i], coords[2 * i + 1]}; }

static point on_page(const frame *f, point p) {
  return (point){f->left + (p.x - f->origin.x) * f->pixels_per_metre,
                 f->top + f->height - (p.y - f->origin.y) * f->pixels_per_metre};
}

static bool inside(const frame *f, point page, double border) {
  return page.x > f->left - border && page.x < f->left + f->width + border && page.y > f->top - border &&
         page.y < f->top + f->height + border;
}

/* Widens [low, high] to hold p. */
static void hold(point *low, point *high, point p) {
  *low = (point){fmin(low->x, p.x), fmin(low->y, p.y)};
  *high = (point){fmax(high->x, p.x), fmax(high->y, p.y)};
}

/* The whole county, across the page. */
static frame county_frame(const house_map *map) {
  point low = location(map->coords, 0), high = low;
  for (size_t i = 1; i < map->n; i++) hold(&low, &high, location(map->coords, i));
  const double border = 0.015 * (fmax(high.x - low.x, high.y - low.y) + 1.0);
  const double width = high.x - low.x + 2.0 * border, height = high.y - low.y + 2.0 * border;
  frame f = {MARGIN, TITLE_HEIGHT, WIDTH - 2 * MARGIN, 0.0, {low.x - border, low.y - border}, 0.0};
  f.pixels_per_metre = f.width / width;
  f.height = height * f.pixels_per_metre;
  return f;
}

/* A square around the house and both sets, in the south-east of the map, where Lucas County is not. */
static frame inset_frame(const house_map *map, const frame *county) {
  point low = location(map->coords, map->house), high = low;
  for (size_t j = 0; j < map->k; j++) {
    if (map->residual[j] >= 0) hold(&low, &high, location(map->coords, (size_t)map->residual[j]));
    if (map->euclidean[j] >= 0) hold(&low, &high, location(map->coords, (size_t)map->euclidean[j]));
  }
  const double shown = fmax(fmax(high.x - low.x, high.y - low.y) * 1.16, 100.0);
  const double side = 0.595 * county->height;
  frame f = {county->left + county->width - side, county->top + county->height - side, side, side, {0.0, 0.0}, 0.0};
  f.origin = (point){0.5 * (low.x + high.x - shown), 0.5 * (low.y + high.y - shown)};
  f.pixels_per_metre = side / shown;
  return f;
}

/* Marks: a star, a ring, a triangle that fits into the ring, a cross. */

static void star(FILE *svg, point at, double radius) {
  fputs("<polygon points=\"", svg);
  for (int i = 0; i < 10; i++) {
    const double r = i % 2 == 0 ? radius : 0.42 * radius, angle = acos(-1.0) * (0.2 * i - 0.5);
    fprintf(svg, "%.1f,%.1f ", at.x + r * cos(angle), at.y + r * sin(angle));
  }
  fputs("\" fill=\"" INK "\" stroke=\"white\" stroke-width=\"1.2\"/>\n", svg);
}

static void ring(FILE *svg, point at) {
  fprintf(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"7\" stroke-width=\"2.2\" fill=\"none\" stroke=\"%s\"/>\n",
          at.x, at.y, RESIDUAL_COLOUR);
}

static void triangle(FILE *svg, point at) {
  fprintf(svg, "<path d=\"M%.1f %.1fl4.8 8.2h-9.6z\" fill=\"" EUCLIDEAN_COLOUR "\"/>\n", at.x, at.y - 5.4);
}

static void cross(FILE *svg, point at, double arm, double width, const char *colour) {
  fprintf(svg, "<path d=\"M%.1f %.1fh%.1fm%.1f %.1fv%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", at.x - arm, at.y,
          2.0 * arm, -arm, -arm, 2.0 * arm, colour, width);
}

static void text(FILE *svg, double x, double y, int size, const char *style, const char *words) {
  fprintf(svg, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" %s>%s</text>\n", x, y, size, style, words);
}

static void box(FILE *svg, double left, double top, double width, double height, const char *style) {
  fprintf(svg, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" %s/>\n", left, top, width, height, style);
}

/* Dots for the houses whose rank is in [first, past): one path of empty strokes with round caps, which keeps 25,000 of
 * them small. */
static void dots(FILE *svg, const house_map *map, const frame *f, size_t first, size_t past, double diameter,
                 const char *colour) {
  fprintf(svg, "<path stroke=\"%s\" stroke-width=\"%.1f\" stroke-linecap=\"round\" fill=\"none\" d=\"", colour,
          diameter);
  for (size_t i = 0; i < map->n; i++) {
    const point at = on_page(f, location(map->coords, i));
    const bool wanted = map->rank[i] >= first && map->rank[i] < past && inside(f, at, -0.5 * diameter);
    if (wanted) fprintf(svg, "M%.1f %.1fh0", at.x, at.y);
  }
  fputs("\"/>\n", svg);
}

/* A bar of a round length, 1, 2 or 5 times a power of ten, of at most a quarter of the frame, ending at `right`. */
static void scale_bar(FILE *svg, const frame *f, double right, double y) {
  const double most = 0.25 * f->width / f->pixels_per_metre;
  double metres = pow(10.0, floor(log10(most)));
  if (5.0 * metres <= most) metres *= 5.0;
  else if (2.0 * metres <= most) metres *= 2.0;
  const double length = metres * f->pixels_per_metre;
  box(svg, right - length - 8.0, y - 26.0, length + 16.0, 32.0, "fill=\"white\"");
  fprintf(svg, "<path d=\"M%.1f %.1fv5h%.1fv-5\" fill=\"none\" stroke=\"" INK "\" stroke-width=\"1.5\"/>\n",
          right - length, y - 5.0, length);
  char words[32];
  snprintf(words, sizeof words, metres < 1000.0 ? "%g m" : "%g km", metres < 1000.0 ? metres : metres / 1000.0);
  text(svg, right - 0.5 * length, y - 10.0, 14, "text-anchor=\"middle\"", words);
}

static void draw_county(FILE *svg, const house_map *map, const frame *county) {
  fprintf(svg, "<g>\n");
  dots(svg, map, county, 0, map->n, 1.7, "#bdbdbd");
  for (size_t i = 0; i < map->m; i++) cross(svg, on_page(county, location(map->inducing, i)), 3.2, 1.1, INK);
  scale_bar(svg, county, county->left + 0.5 * county->width, county->top + county->height - 8.0);
  fprintf(svg, "</g>\n");
}

/* A square on the county map where the inset is, and two lines from it to the inset that cross neither. */
static void draw_leader(FILE *svg, const frame *county, const frame *inset) {
  const double side = inset->width / inset->pixels_per_metre * county->pixels_per_metre;
  const point south_west = on_page(county, inset->origin);
  const double left = south_west.x, top = south_west.y - side;
  const bool west = left + 0.5 * side < inset->left, north = top + 0.5 * side < inset->top;
  /* The corners to join, the same of both squares, as (1 = east, 1 = south). */
  const int ends[2][2] = {{west && north, 0}, {!west, west}};
  fprintf(svg, "<g fill=\"none\" stroke=\"" INK "\">\n");
  for (int i = 0; i < 2; i++)
    fprintf(svg, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke-width=\"0.8\"/>\n", left + ends[i][0] * side,
            top + ends[i][1] * side, inset->left + ends[i][0] * inset->width, inset->top + ends[i][1] * inset->height);
  box(svg, left, top, side, side, "stroke-width=\"1.5\"");
  fputs("</g>\n", svg);
}

static void draw_inset(FILE *svg, const house_map *map, const frame *inset) {
  const size_t rank = map->rank[map->house];
  box(svg, inset->left, inset->top, inset->width, inset->height, "fill=\"white\"");
  dots(svg, map, inset, rank + 1, map->n, 4.5, LATER_HOUSE);
  dots(svg, map, inset, 0, rank, 4.5, EARLIER_HOUSE);
  for (size_t j = 0; j < map->k; j++)
    if (map->euclidean[j] >= 0) triangle(svg, on_page(inset, location(map->coords, (size_t)map->euclidean[j])));
  for (size_t j = 0; j < map->k; j++)
    if (map->residual[j] >= 0) ring(svg, on_page(inset, location(map->coords, (size_t)map->residual[j])));
  for (size_t i = 0; i < map->m; i++) {
    const point at = on_page(inset, location(map->inducing, i));
    if (!inside(inset, at, -7.0)) continue;
    cross(svg, at, 7.0, 4.5, "white");
    cross(svg, at, 6.0, 1.8, INK);
  }
  star(svg, on_page(inset, location(map->coords, map->house)), 10.0);
  scale_bar(svg, inset, inset->left + inset->width - 16.0, inset->top + inset->height - 14.0);
  box(svg, inset->left, inset->top, inset->width, inset->height,
      "fill=\"none\" stroke=\"" INK "\" stroke-width=\"1.5\"");
}

static void draw_legend(FILE *svg, const house_map *map, double top) {
  const double column[3] = {MARGIN + 14.0, MARGIN + 300.0, MARGIN + 700.0}, row[2] = {top + 24.0, top + 52.0};
  char words[96];
  star(svg, (point){column[0], row[0]}, 11.0);
  text(svg, column[0] + 18.0, row[0] + 5.0, 15, "", "chosen house");
  cross(svg, (point){column[0], row[1]}, 6.0, 1.8, INK);
  text(svg, column[0] + 18.0, row[1] + 5.0, 15, "", "inducing point");
  ring(svg, (point){column[1], row[0]});
  snprintf(words, sizeof words, "%zu nearest by residual correlation", map->k);
  text(svg, column[1] + 18.0, row[0] + 5.0, 15, "", words);
  triangle(svg, (point){column[1], row[1]});
  snprintf(words, sizeof words, "%zu nearest by Euclidean distance", map->k);
  text(svg, column[1] + 18.0, row[1] + 5.0, 15, "", words);
  fprintf(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"" EARLIER_HOUSE "\"/>\n", column[2], row[0]);
  text(svg, column[2] + 18.0, row[0] + 5.0, 15, "", "earlier in the ordering: a candidate");
  fprintf(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"" LATER_HOUSE "\"/>\n", column[2], row[1]);
  text(svg, column[2] + 18.0, row[1] + 5.0, 15, "", "later in the ordering: not a candidate");
}

bool map_svg_write(const char *path, const house_map *map) {
  FILE *svg = fopen(path, "w");
  if (svg == NULL) {
    fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
    return false;
  }
  const frame county = county_frame(map), inset = inset_frame(map, &county);
  const double height = county.top + county.height + LEGEND_HEIGHT;
  fprintf(svg,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" "
          "font-family=\"Helvetica, Arial, sans-serif\" fill=\"" INK "\">\n"
          "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
          WIDTH, height);
  text(svg, MARGIN, 36.0, 24, "font-weight=\"bold\"", map->title);
  text(svg, MARGIN, 61.0, 16, "fill=\"#555555\"", map->subtitle);
  draw_county(svg, map, &county);
  draw_leader(svg, &county, &inset);
  draw_inset(svg, map, &inset);
  draw_legend(svg, map, county.top + county.height);
  fputs("</svg>\n", svg);
  const bool failed = ferror(svg) != 0;
  if (fclose(svg) != 0 || failed) {
    fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
    return false;
  }
  return true;
}
