#include <doctest/doctest.h>
#include <predictor/layout.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace sterna;
using predictor::kLayout;

namespace {

using Told = std::array<float, kLayout>;

Told told(const std::vector<float>& score, size_t columns, size_t absent = SIZE_MAX) {
  Told out;
  predictor::layout(score, columns, absent, out.data());
  return out;
}

/// Scores of a grid of 7 x 7: `high` at the places given, -9 elsewhere.
std::vector<float> grid(const std::vector<size_t>& places, float high = 9) {
  std::vector<float> score(49, -9.0F);
  for (const size_t i : places) score[i] = high;
  return score;
}

}  // namespace

TEST_CASE("layout: a lone place is told by column and row, and counts as one") {
  for (size_t i = 0; i < 49; ++i) {
    const Told t = told(grid({i}), 7);
    CHECK(t[0] == doctest::Approx((static_cast<double>(i % 7) - 3) / 7 * 5).epsilon(1e-3));
    CHECK(t[1] == doctest::Approx((static_cast<double>(i / 7) - 3) / 7 * 5).epsilon(1e-3));
    CHECK(t[2] < 0.01F);
    CHECK(t[3] < 0.01F);
    CHECK(t[4] < 0.01F);
    for (size_t k = 5; k < kLayout; ++k) CHECK(t[k] == doctest::Approx(1).epsilon(1e-2));
  }
}

TEST_CASE("layout: places apart are counted, the spread is along the axis they lie on") {
  const Told row = told(grid({21, 24, 27}), 7);  // first, middle and last of the fourth row
  for (size_t k = 5; k < kLayout; ++k) CHECK(row[k] == doctest::Approx(3).epsilon(1e-2));
  CHECK(row[2] == doctest::Approx(4 * std::sqrt(2.0 / 3) * 3 / 7).epsilon(1e-3));
  CHECK(row[3] < 0.01F);
  const Told corners = told(grid({0, 6, 42, 48, 24}), 7);
  for (size_t k = 5; k < kLayout; ++k) CHECK(corners[k] == doctest::Approx(5).epsilon(1e-2));
  CHECK(std::fabs(corners[0]) < 1e-4F);
}

TEST_CASE("layout: a slope has one top, equal scores have the whole entropy") {
  std::vector<float> slope(49);
  for (size_t i = 0; i < 49; ++i) {
    slope[i] = -std::hypot(static_cast<float>(i % 7) - 2, static_cast<float>(i / 7) - 4);
  }
  CHECK(told(slope, 7)[7] == doctest::Approx(1).epsilon(0.1));
  CHECK(told(std::vector<float>(49, 0.5F), 7)[4] == doctest::Approx(1).epsilon(1e-5));
}

TEST_CASE("layout: a hole moves no other place, and grids need not be square") {
  auto score = grid({16, 33});
  const Told whole = told(score, 7);
  score.erase(score.begin() + 40);
  const Told holed = told(score, 7, 40);
  for (size_t k = 0; k < kLayout; ++k) CHECK(holed[k] == doctest::Approx(whole[k]).epsilon(1e-4));
  const Told wide = told({-9, -9, -9, -9, -9, -9, -9, 9}, 4);  // last of 2 rows
  CHECK(wide[0] == doctest::Approx(5 * 0.375).epsilon(1e-3));
  CHECK(wide[1] == doctest::Approx(5 * 0.25).epsilon(1e-3));
}

TEST_CASE("layout: without a grid, or without places, nothing is told") {
  const Told zeros{};
  CHECK(told({1, 2, 3}, 0) == zeros);
  CHECK(told({}, 7) == zeros);
  CHECK(told({4}, 1)[4] == 0.0F);
}
