// rct.hpp in one page: the points and the answer of quickstart.c.
//   c++ -std=c++17 quickstart.cpp $(pkg-config --cflags --libs rct) -o quickstart && ./quickstart
#include <cstdio>
#include <exception>
#include <vector>

#include "rct.hpp"

int main() try {
  std::vector<double> coords(2000 * 2);  // 2,000 points of the unit square, row by row
  std::uint64_t state = 1;
  for (double &coordinate : coords) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    coordinate = static_cast<double>(state >> 11) / 9007199254740992.0;  // 2^53
  }

  const auto points = rct::row_major(coords, 2);  // a view, as all matrices that go in
  const auto inducing = rct::select_inducing(points, 100, rct::InducingMethod::kmeans_plus_plus, 1);
  const rct::Tree tree(rct::Options().kernel(rct::Kernel::matern32).lengthscale(0.2),
                       rct::Data(points).inducing(rct::row_major(inducing, 2)));
  const rct::Neighbors sets = tree.vecchia_neighbors(10);  // for a VIF likelihood with these inducing points

  std::printf("point 1999 at (%.3f, %.3f) is conditioned on\n", points(1999, 0), points(1999, 1));
  for (std::size_t j = 0; j < sets.ids_of(1999).size(); j++) {
    const auto id = static_cast<std::size_t>(sets.ids_of(1999)[j]);
    std::printf("  point %4zu at (%.3f, %.3f), distance %.6f\n", id, points(id, 0), points(id, 1),
                sets.distances_of(1999)[j]);
  }
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
