#include <doctest/doctest.h>
#include <tests/support/folder.h>

#include <string>

#include "cli/answer_page.h"
#include "cli/where.h"

using namespace sterna;
using namespace sterna::cli;

namespace {

Where where(size_t grid, std::vector<float> places, std::array<float, 4> seen = {0, 0, 1, 1}) {
  return {{grid, std::move(places), 0.5f}, seen};
}

void check_box(const Where& w, const Box& expected) {
  const auto box = w.box();
  REQUIRE(box);
  for (size_t i = 0; i < 4; ++i) CHECK((*box)[i] == doctest::Approx(expected[i]));
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("box: the places with half of the peak that hang together with it") {
  // The 0.9 in the last corner touches the others only at a corner of 0.5, which is too low.
  const Where w = where(4, {0.1f, 1.0f, 0.5f, 0.0f,  //
                            0.0f, 0.6f, 0.1f, 0.0f,  //
                            0.0f, 0.0f, 0.4f, 0.0f,  //
                            0.0f, 0.0f, 0.0f, 0.9f});
  check_box(w, {0.25, 0, 0.75, 0.5});
  CHECK(region_words(w.box()) == "top");
  // A row's end and the next row's start are no neighbours.
  check_box(where(2, {0, 1, 1, 0}), {0.5, 0, 1, 0.5});
  check_box(where(1, {0.1f}), {0, 0, 1, 1});
  // Shares of the picture, of which the tower saw the middle.
  check_box(where(2, {0, 1, 0, 0}, {0.25f, 0, 0.75f, 1}), {0.5, 0, 0.75, 0.5});
}

TEST_CASE("box: without support there is none") {
  CHECK_FALSE(where(2, {0, -1, -0.5f, 0}).box());
  CHECK_FALSE(where(0, {}).box());
  const Json json = to_json(where(2, {0, -1, -0.5f, 0}));
  CHECK(json["box"].is_null());
  CHECK(json["region"] == "nowhere in particular");
  CHECK(json["support"].size() == 4);
  CHECK(json["grid"] == Json({2, 2}));
}

TEST_CASE("regions in words") {
  CHECK(region_words(Box{0, 0, 0.3, 0.3}) == "top left");
  CHECK(region_words(Box{0.7, 0.7, 1, 1}) == "bottom right");
  CHECK(region_words(Box{0.4, 0.4, 0.6, 0.6}) == "centre");
  CHECK(region_words(Box{0, 0.4, 0.2, 0.6}) == "left");
  CHECK(region_words(Box{0, 0.8, 1, 1}) == "bottom");
  CHECK(region_words(Box{0, 0.1, 1, 1}) == "all over");
  CHECK(region_words(std::nullopt) == "nowhere in particular");
}

TEST_CASE("heat map: a rectangle a supporting place, the highest the darkest, and the box") {
  const vision::Image image{20, 10, std::vector<uint8_t>(20 * 10 * 3, 90)};
  const Where w = where(2, {0.1f, -0.3f, 0, 0.4f});
  const std::string svg = heat_map(image, &w, "a \"<b>\"");
  CHECK(count(svg, "<rect ") == 3);  // two places and the box
  CHECK(svg.find("x=\"10.000\" y=\"5.000\" width=\"10.000\" height=\"5.000\" "
                 "fill-opacity=\"0.650\"") != svg.npos);
  CHECK(svg.find("aria-label=\"a &quot;&lt;b&gt;&quot;\"") != svg.npos);
  CHECK(svg.find("viewBox=\"0 0 20 10\"") != svg.npos);
  CHECK(svg.find("href=\"data:image/jpeg;base64,") != svg.npos);
  CHECK(count(heat_map(image, nullptr, ""), "<rect ") == 0);
}

TEST_CASE("answer page: hostile texts stay text, failures are cards, no page until it is whole") {
  const test::Folder folder;
  const auto path = folder.path() / "page.html";
  { AnswerPage dropped(path, "model"); }
  CHECK_FALSE(std::filesystem::exists(path));
  AnswerPage page(path, "m<o>del.gguf");
  const std::string bad = "</p><script>alert('x')</script>\x1b\xff";
  Reply reply;
  reply.answer = {bad, 0.25f, false, {{bad, 0.25f}, {"dog", 0.2f}}};
  reply.picture =
      std::make_shared<vision::Image>(vision::Image{2, 2, std::vector<uint8_t>(12, 200)});
  reply.where = where(2, {0, 0, 0, 1});
  const QuestionGroup group{bad, bad, {}};
  const Question question{bad, {}, Json::object(), {}};
  page.add(group, question, reply);
  Reply failed;
  failed.error = bad + ": broken";
  page.add(group, question, failed);
  page.finish();
  const std::string html = folder.read("page.html");
  CHECK(html.find("<script") == html.npos);
  CHECK(html.find('\x1b') == html.npos);
  CHECK(html.find('\xff') == html.npos);
  CHECK(html.find("m&lt;o&gt;del") != html.npos);
  CHECK(html.find("not sure: ") != html.npos);
  CHECK(html.find("bottom right") != html.npos);
  CHECK(count(html, "<article>") == 2);
  CHECK(count(html, "</article>") == 2);
  CHECK(html.find("broken</p>") != html.npos);
  CHECK(html.ends_with("</html>\n"));
}
