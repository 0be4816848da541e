#include <doctest/doctest.h>
#include <sterna/decoder/ward.h>
#include <sterna/quant/error.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <string>

using namespace sterna;
using namespace sterna::decoder;

namespace {

using Floats = std::vector<float>;
using Indices = std::vector<size_t>;

nn::Mat<const float> mat(const Floats& x, size_t d) { return {x.data(), x.size() / d, d}; }

Floats random_floats(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Floats x(n);
  for (float& v : x) v = static_cast<float>(random()) / 4294967296.0f - 0.5f;
  return x;
}

Indices starts_of(const Indices& labels) {
  Indices starts;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (i == 0 || labels[i] != labels[i - 1]) starts.push_back(i);
  }
  return starts;
}

// sum of w |x - average|^2 over frames [first, last), straight from the definition.
double scatter(nn::Mat<const float> x, const std::vector<double>& w, size_t first, size_t last) {
  double total = 0;
  for (size_t j = 0; j < x.cols; ++j) {
    double weight = 0, sum = 0;
    for (size_t i = first; i < last; ++i) {
      weight += w[i];
      sum += w[i] * static_cast<double>(x.row(i)[j]);
    }
    for (size_t i = first; i < last; ++i) {
      total += w[i] * std::pow(static_cast<double>(x.row(i)[j]) - sum / weight, 2);
    }
  }
  return total;
}

double scatter(nn::Mat<const float> x, const std::vector<double>& w, const Indices& starts) {
  double total = 0;
  for (size_t s = 0; s < starts.size(); ++s) {
    total += scatter(x, w, starts[s], s + 1 < starts.size() ? starts[s + 1] : x.rows);
  }
  return total;
}

// The same greedy choice by brute force: every cost anew from the definition, O(n^3 d).
std::vector<WardMerge> merge_by_definition(nn::Mat<const float> x, const std::vector<double>& w) {
  Indices starts(x.rows);
  for (size_t i = 0; i < x.rows; ++i) starts[i] = i;
  std::vector<WardMerge> merges;
  const auto end = [&](size_t s) { return s + 1 < starts.size() ? starts[s + 1] : x.rows; };
  while (starts.size() > 1) {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t s = 1; s < starts.size(); ++s) {
      const double cost = scatter(x, w, starts[s - 1], end(s)) -
                          scatter(x, w, starts[s - 1], starts[s]) -
                          scatter(x, w, starts[s], end(s));
      if (cost < least) {
        least = cost;
        best = s;
      }
    }
    merges.push_back({starts[best], least});
    starts.erase(starts.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return merges;
}

}  // namespace

TEST_CASE("ward: the tree and its cuts equal scikit-learn's and scipy's") {
  for (const std::string name : {"scenes", "walk", "swing", "repeats", "two"}) {
    CAPTURE(name);
    std::ifstream file(std::string(STERNA_TEST_DATA) + "/golden/decoder/ward_" + name + ".txt");
    size_t n = 0, d = 0;
    REQUIRE(bool(file >> n >> d));
    Floats x(n * d);
    for (float& v : x) file >> v;
    const WardTree tree(mat(x, d));
    REQUIRE(tree.merges().size() == n - 1);
    for (const WardMerge& merge : tree.merges()) {
      size_t boundary = 0;
      double height = 0;
      REQUIRE(bool(file >> boundary >> height));
      // Frames that repeat merge at no cost in either order: the cuts below still are the same.
      if (height > 1e-12) CHECK(merge.boundary == boundary);
      CHECK(ward_height(merge.cost) == doctest::Approx(height).epsilon(1e-9));
    }
    size_t cuts = 0;
    REQUIRE(bool(file >> cuts));
    REQUIRE(cuts >= 3);
    for (size_t c = 0; c < cuts; ++c) {
      std::string kind;
      double value = 0;
      REQUIRE(bool(file >> kind >> value));
      Indices labels(n);
      for (size_t& label : labels) file >> label;
      REQUIRE(bool(file));
      const Indices starts = kind == "count" ? tree.cut_count(static_cast<size_t>(value))
                                             : tree.cut_cost(value * value / 2);
      CHECK(starts == starts_of(labels));
    }
  }
}

TEST_CASE("ward: every merge is the cheapest by the definition, with weights too") {
  const size_t d = 11, n = 120;
  const Floats x = random_floats(n * d, 5);
  for (const bool weighted : {false, true}) {
    std::vector<double> w(n, 1.0);
    for (size_t i = 0; weighted && i < n; ++i) w[i] = 0.1 + static_cast<double>(i * 7 % 10);
    const auto expected = merge_by_definition(mat(x, d), w);
    const WardTree tree(mat(x, d),
                        weighted ? std::span<const double>(w) : std::span<const double>());
    for (size_t i = 0; i + 1 < n; ++i) {
      REQUIRE(tree.merges()[i].boundary == expected[i].boundary);
      // Each scatter is a sum of n d terms of at most 1 times a weight: rounding below 1e-11.
      REQUIRE(std::abs(tree.merges()[i].cost - expected[i].cost) < 1e-9);
    }
  }
}

TEST_CASE("ward: a weight is a number of equal frames") {
  const size_t d = 4;
  const Floats x = random_floats(9 * d, 8);
  const std::vector<double> weights{1, 3, 2, 1, 1, 4, 2, 1, 5};
  Floats repeated;
  Indices origin;
  for (size_t i = 0; i < weights.size(); ++i) {
    for (int k = 0; k < static_cast<int>(weights[i]); ++k) {
      repeated.insert(repeated.end(), x.begin() + static_cast<std::ptrdiff_t>(i * d),
                      x.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
      origin.push_back(i);
    }
  }
  const WardTree few(mat(x, d), weights), many(mat(repeated, d));
  for (size_t k = 1; k <= weights.size(); ++k) {
    Indices starts = many.cut_count(k);
    for (size_t& s : starts) s = origin[s];
    CHECK(few.cut_count(k) == starts);
  }
}

TEST_CASE("ward: against the best of all segmentations of short streams") {
  const size_t d = 3, n = 10;
  const std::vector<double> w(n, 1.0);
  size_t equal = 0, all = 0;
  for (uint32_t seed = 0; seed < 12; ++seed) {
    Floats x = random_floats(n * d, 100 + seed);
    // Three scenes with room between them for half the seeds; pure noise for the others.
    if (seed % 2 == 0) {
      for (size_t i = 0; i < n; ++i) x[i * d] += i < 3 ? 0.0f : i < 8 ? 4.0f : -4.0f;
    }
    const WardTree tree(mat(x, d));
    std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
    std::vector<Indices> best_starts(n + 1);
    for (uint32_t bits = 0; bits < 1u << (n - 1); ++bits) {
      Indices starts{0};
      for (size_t i = 1; i < n; ++i) {
        if (bits >> (i - 1) & 1) starts.push_back(i);
      }
      const double cost = scatter(mat(x, d), w, starts);
      if (cost < best[starts.size()]) {
        best[starts.size()] = cost;
        best_starts[starts.size()] = starts;
      }
    }
    double sum = 0;
    for (size_t k = n; k >= 1; --k) {
      // Greedy never beats the best, and its merge costs add up to what the cut costs.
      const double cost = scatter(mat(x, d), w, tree.cut_count(k));
      CHECK(cost >= best[k] - 1e-12);
      if (k < n) sum += tree.merges()[n - 1 - k].cost;
      CHECK(sum == doctest::Approx(cost).epsilon(1e-9));
      equal += cost <= best[k] + 1e-12;
      ++all;
    }
    if (seed % 2 == 0) CHECK(tree.cut_count(3) == best_starts[3]);
    if (seed % 2 == 0) CHECK(tree.cut_count(3) == Indices{0, 3, 8});
  }
  CHECK(equal * 2 > all);  // greedy, but good
}

TEST_CASE("ward: cuts by cost and by rate") {
  const Floats x{0, 0, 5, 5, 5, 9};  // d = 1
  const WardTree tree(mat(x, 1));
  CHECK(tree.cut_cost(0) == Indices{0, 2, 5});  // equal frames merge at no cost
  CHECK(tree.cut_cost(11.9) == Indices{0, 2, 5});
  CHECK(tree.cut_cost(12.1) == Indices{0, 2});  // 3 * 1 / 4 * 4^2 = 12
  CHECK(tree.cut_cost(std::numeric_limits<double>::infinity()) == Indices{0});
  // Four seconds; the step back takes none.
  const std::vector<double> times{10, 11, 12, 2, 3, 4};
  CHECK(tree.cut_rate(0.5, times) == Indices{0, 2});
  CHECK(tree.cut_rate(0.75, times) == Indices{0, 2, 5});
  CHECK(tree.cut_rate(1e-9, times).size() == 1);
  CHECK(tree.cut_rate(1e9, times).size() == 6);
  CHECK(tree.cut_rate(1e300, times).size() == 6);
  // Of equal costs the earliest merges first.
  const Floats steps{0, 1, 2, 3};
  CHECK(WardTree(mat(steps, 1)).cut_count(3) == Indices{0, 2, 3});
  const WardTree one(mat(Floats{1, 2, 3}, 3));
  CHECK(one.merges().empty());
  CHECK(one.cut_count(1) == Indices{0});
  CHECK(one.cut_rate(2, std::vector<double>{7}) == Indices{0});
}

TEST_CASE("ward: averages of segments") {
  const Floats x{1, 2, 3, 4, 5, 6, 7, 9};
  const Indices starts{0, 1};
  CHECK(segment_averages(mat(x, 2), starts) == Floats{1, 2, 5, 19.0f / 3});
  const std::vector<double> w{1, 2, 1, 1};
  CHECK(segment_averages(mat(x, 2), starts, w) == Floats{1, 2, 4.5, 5.75});
  CHECK_THROWS_WITH_AS(segment_averages(mat(x, 2), Indices{1}),
                       "segments: expected the first to start at 0", Error);
  CHECK_THROWS_AS(segment_averages(mat(x, 2), Indices{0, 2, 2}), Error);
  CHECK_THROWS_AS(segment_averages(mat(x, 2), Indices{0, 4}), Error);
}

TEST_CASE("ward: what can't be clustered is named") {
  Floats x{1, 2, 3, std::nanf(""), 5, 6};
  CHECK_THROWS_WITH_AS(WardTree(mat(x, 2)), "embeddings: row 1: expected finite numbers, found nan",
                       Error);
  CHECK_THROWS_AS(WardTree(nn::Mat<const float>()), Error);
  CHECK_THROWS_AS(WardTree(nn::Mat<const float>(x.data(), 3, 0)), Error);
  x[3] = 4;
  CHECK_THROWS_WITH_AS(WardTree(mat(x, 2), std::vector<double>{1, 1}),
                       "weights: expected 3, found 2", Error);
  CHECK_THROWS_AS(WardTree(mat(x, 2), std::vector<double>{1, 0, 1}), Error);
  const WardTree tree(mat(x, 2));
  CHECK_THROWS_WITH_AS(tree.cut_count(4), "cut: expected 1 to 3 segments, found 4", Error);
  CHECK_THROWS_AS(tree.cut_count(0), Error);
  CHECK_THROWS_AS(tree.cut_cost(-1), Error);
  CHECK_THROWS_AS(tree.cut_cost(std::nan("")), Error);
  CHECK_THROWS_AS(tree.cut_rate(0, std::vector<double>{1, 2, 3}), Error);
  CHECK_THROWS_AS(tree.cut_rate(1, std::vector<double>{1, 2}), Error);
  CHECK_THROWS_AS(tree.cut_rate(1, std::vector<double>{1, std::nan(""), 3}), Error);
}
