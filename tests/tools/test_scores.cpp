#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "cli/score_table.h"
#include "cli/scores.h"

using namespace sterna::cli;

TEST_CASE("Wilson's interval: published values, and its limits") {
  // Newcombe, Statistics in Medicine 17:857 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
  const auto check = [](size_t right, size_t n, double low, double high) {
    const auto [l, h] = wilson95(right, n);
    CHECK(std::abs(l - low) < 5e-5);
    CHECK(std::abs(h - high) < 5e-5);
  };
  check(81, 263, 0.2553, 0.3662);
  check(15, 148, 0.0624, 0.1605);
  check(0, 20, 0.0000, 0.1611);
  check(1, 29, 0.0061, 0.1718);
  check(20, 20, 1 - 0.1611, 1.0);
  check(0, 0, 0, 1);
}

TEST_CASE("answers are compared without case and outer blanks") {
  CHECK(same_answer(" Red\n", "red"));
  CHECK(!same_answer("dark red", "darkred"));
  CHECK(same_answer("", "  "));
  CHECK(same_answer("\xC3\xA9", "\xC3\xA9"));
}

TEST_CASE("accuracy, baselines and calibration a task, and over all") {
  Scoreboard board;
  // colour: right, right, wrong; most frequent right answer: red (2 of 3).
  board.add({"colour", {"red"}, "Red", 0.9, "red"});
  board.add({"colour", {"red", "Red", "crimson"}, "crimson", 0.8, "blue"});
  board.add({"colour", {"blue"}, "red", 0.7, "blue"});
  board.add({"count", {"two"}, "three", 0.25, "one"});
  const auto scores = board.scores();
  REQUIRE(scores.size() == 3);
  CHECK(scores[0].task == "colour");
  CHECK(scores[0].n == 3);
  CHECK(scores[0].accuracy == doctest::Approx(2.0 / 3));
  CHECK(scores[0].majority == doctest::Approx(2.0 / 3));
  CHECK(scores[0].question_only == doctest::Approx(2.0 / 3));
  // Three bins of one answer each: |1 - 0.9|, |1 - 0.8|, |0 - 0.7|.
  CHECK(scores[0].ece == doctest::Approx((0.1 + 0.2 + 0.7) / 3));
  // Each is right or not: E |right - p| of a normal variable of variance p (1 - p).
  CHECK(scores[0].ece_exact ==
        doctest::Approx((0.3 + 0.4 + std::sqrt(0.21)) * std::sqrt(2 / 3.14159265) / 3));
  CHECK(scores[1].task == "count");
  CHECK(scores[1].accuracy == 0);
  CHECK(scores[1].majority == 1);
  CHECK(scores[2].task == "all");
  CHECK(scores[2].n == 4);
  CHECK(scores[2].accuracy == doctest::Approx(0.5));
  CHECK(scores[2].majority == doctest::Approx(0.75));
  CHECK(scores[2].question_only == doctest::Approx(0.5));
  CHECK(scores[2].ece == doctest::Approx((0.1 + 0.2 + 0.7 + 0.25) / 4));
}

TEST_CASE("abstaining: accuracy on the most confident answers, equal ones in equal parts") {
  CHECK(accuracy_at(0.8, {}) == 0);
  const std::vector<std::pair<double, bool>> answers = {
      {0.1, false}, {0.9, true}, {0.8, true}, {0.5, false}, {0.6, true}};
  CHECK(accuracy_at(1, answers) == doctest::Approx(0.6));
  CHECK(accuracy_at(0.8, answers) == doctest::Approx(0.75));
  CHECK(accuracy_at(0.2, answers) == doctest::Approx(1));
  // Of four equal answers any 80 % have the same share right.
  CHECK(accuracy_at(0.8, {{0.5, true}, {0.5, false}, {0.5, true}, {0.5, true}}) ==
        doctest::Approx(0.75));
  // 1.6 of two: the sure one and 0.6 of the other.
  CHECK(accuracy_at(0.8, {{0.3, false}, {0.9, true}}) == doctest::Approx(1 / 1.6));
}

TEST_CASE("confusions: what was said for what, most frequent first, and what sure is worth") {
  Scoreboard board;
  for (int i = 0; i < 3; ++i) CHECK_FALSE(board.add({"c", {"Red", "crimson"}, "blue", 0.4, ""}));
  CHECK_FALSE(board.add({"c", {"green"}, "Blue ", 0.5, "", true}));
  CHECK(board.add({"c", {"green"}, "green", 0.9, "", true}));
  const auto scores = board.scores();
  REQUIRE(scores[0].confusion.size() == 2);
  CHECK(scores[0].confusion[0].truth == "red");
  CHECK(scores[0].confusion[0].answer == "blue");
  CHECK(scores[0].confusion[0].n == 3);
  CHECK(scores[0].confusion[1].truth == "green");
  CHECK(scores[0].sure == doctest::Approx(0.4));
  CHECK(scores[0].sure_accuracy == doctest::Approx(0.5));
  CHECK(scores[0].at80 == doctest::Approx(0.25));
  CHECK(scores[1].confusion.empty());
  CHECK(scores[1].sure == doctest::Approx(0.4));
  CHECK(scores[1].at80 == doctest::Approx(0.25));
}

TEST_CASE("within a bin right and wrong answers balance") {
  Scoreboard board;
  for (int i = 0; i < 4; ++i) board.add({"t", {"a"}, i < 3 ? "a" : "b", 0.75, ""});
  CHECK(board.scores()[0].ece == doctest::Approx(0));
  Scoreboard sure;
  sure.add({"t", {"a"}, "a", 1.0, ""});  // the last bin includes 1
  sure.add({"t", {"a"}, "b", 1.0, ""});
  CHECK(sure.scores()[0].ece == doctest::Approx(0.5));
  CHECK(Scoreboard().scores().size() == 1);
  CHECK(Scoreboard().scores()[0].n == 0);
}

TEST_CASE("the calibration error of exact confidences is what chance makes of it") {
  std::mt19937_64 random(7);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  double found = 0, expected = 0;
  for (int turn = 0; turn < 200; ++turn) {
    Scoreboard board;
    for (int i = 0; i < 185; ++i) {
      const double confidence = 0.3 + 0.7 * uniform();
      board.add({"t", {"yes"}, uniform() < confidence ? "yes" : "no", confidence, "", true});
    }
    found += board.scores()[0].ece;
    expected += board.scores()[0].ece_exact;
  }
  CHECK(found == doctest::Approx(expected).epsilon(0.05));
}

TEST_CASE("models are compared over the tasks of all of them") {
  // The first model broke on every question of "late"; each answers "early" in its own way.
  Scoreboard first, second;
  first.add({"early", {"yes"}, "yes", 1, "", true});
  second.add({"early", {"yes"}, "no", 1, "", true});
  second.add({"late", {"yes"}, "yes", 1, "", true});
  const std::vector<ModelScores> models = {{"a", first.scores()}, {"b", second.scores()}};
  std::istringstream table(comparison_table(models));
  std::vector<std::string> rows;
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string row;
    for (std::string word; words >> word;) row += (row.empty() ? "" : " ") + word;
    rows.push_back(row);
  }
  REQUIRE(rows.size() == 4);
  CHECK(rows[1] == "early 1 1.000 (0.207-1.000) 0.000 (0.000-0.793)");
  CHECK(rows[2] == "late 1 - 1.000 (0.207-1.000)");
  CHECK(rows[3] == "all 2 1.000 (0.207-1.000) 0.500 (0.095-0.905)");
}
