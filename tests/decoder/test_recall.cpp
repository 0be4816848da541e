#include <doctest/doctest.h>
#include <sterna/decoder/recall.h>
#include <sterna/quant/error.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace sterna;
using decoder::Recall;

namespace {

std::vector<float> at(double angle, double length = 1) {
  return {static_cast<float>(length * std::cos(angle)),
          static_cast<float>(length * std::sin(angle))};
}

}  // namespace

TEST_CASE("recall: what is near enough is known, and nothing else") {
  Recall recall(2, std::cos(0.1));
  CHECK(recall.find(at(0)) == nullptr);
  recall.keep(at(0), {"east", 0.5});
  REQUIRE(recall.find(at(0.09, 7)) != nullptr);  // directions alone count
  CHECK(recall.find(at(0.09, 7))->text == "east");
  CHECK(recall.find(at(0.09))->confidence == 0.5);
  CHECK(recall.find(at(0.11)) == nullptr);
  CHECK(recall.find(at(-0.11)) == nullptr);
  recall.keep(at(0.15), {"a little north", 1});
  CHECK(recall.find(at(0.08))->text == "a little north");  // the nearest, not the first
  CHECK(recall.find(at(0.07))->text == "east");
  CHECK(recall.size() == 2);
  CHECK(recall.flops() == 5 * 4 + 2 * 8);  // one entry five times, two entries twice
}

TEST_CASE("recall: a cosine of 1 knows the same direction again") {
  Recall recall(3, 1);
  const std::vector<float> x{0.1f, -0.7f, 0.3f}, y{0.1f, -0.7f, 0.31f};
  recall.keep(x, {"x", 1});
  CHECK(recall.find(x) != nullptr);
  CHECK(recall.find(y) == nullptr);
}

TEST_CASE("recall: full, the one that was not wanted for longest goes") {
  Recall recall(2, 0.999, 3);
  recall.keep(at(0), {"0", 1});
  recall.keep(at(1), {"1", 1});
  recall.keep(at(2), {"2", 1});
  CHECK(recall.find(at(0)) != nullptr);
  recall.keep(at(3), {"3", 1});
  CHECK(recall.size() == 3);
  CHECK(recall.find(at(1)) == nullptr);
  CHECK(recall.find(at(0))->text == "0");
  CHECK(recall.find(at(2))->text == "2");
  CHECK(recall.find(at(3))->text == "3");
}

TEST_CASE("recall: what is no direction, and what is out of range") {
  Recall recall(2, 0.9);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  recall.keep(std::vector<float>{0, 0}, {"nothing", 1});
  recall.keep(std::vector<float>{nan, 1}, {"nothing", 1});
  CHECK(recall.size() == 0);
  recall.keep(at(0), {"east", 1});
  CHECK(recall.find(std::vector<float>{0, 0}) == nullptr);
  CHECK(recall.find(std::vector<float>{nan, 1}) == nullptr);
  CHECK_THROWS_AS(recall.find(std::vector<float>{1, 0, 0}), Error);
  CHECK_THROWS_AS(recall.keep(std::vector<float>{1}, {}), Error);
  CHECK_THROWS_AS(Recall(0, 0.9), Error);
  CHECK_THROWS_AS(Recall(2, 0), Error);
  CHECK_THROWS_AS(Recall(2, 1.1), Error);
  CHECK_THROWS_AS(Recall(2, std::nan("")), Error);
  CHECK_THROWS_AS(Recall(2, 0.9, 0), Error);
}
