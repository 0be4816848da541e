#include "cli/where.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sterna::cli {

namespace {

constexpr double kMost = 0.7;  // of a side: more is no side of the picture any more

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

}  // namespace

Box Where::place(size_t i) const {
  const auto g = static_cast<double>(support.grid);
  const auto column = static_cast<double>(i % support.grid);
  const auto row = static_cast<double>(i / support.grid);
  const double x0 = static_cast<double>(seen[0]), y0 = static_cast<double>(seen[1]);
  const double width = static_cast<double>(seen[2]) - x0;
  const double height = static_cast<double>(seen[3]) - y0;
  return {x0 + width * column / g, y0 + height * row / g, x0 + width * (column + 1) / g,
          y0 + height * (row + 1) / g};
}

std::optional<Box> Where::box() const {
  const std::vector<float>& s = support.places;
  const auto peak = std::max_element(s.begin(), s.end());
  if (peak == s.end() || !(*peak > 0)) return std::nullopt;
  const size_t g = support.grid;
  std::vector<bool> taken(s.size());
  std::vector<size_t> open{static_cast<size_t>(peak - s.begin())};
  taken[open[0]] = true;
  Box box = place(open[0]);
  while (!open.empty()) {
    const size_t i = open.back();
    open.pop_back();
    const Box here = place(i);
    box = {std::min(box[0], here[0]), std::min(box[1], here[1]), std::max(box[2], here[2]),
           std::max(box[3], here[3])};
    const auto visit = [&](bool inside, size_t neighbour) {
      if (!inside || taken[neighbour] || s[neighbour] < *peak / 2) return;
      taken[neighbour] = true;
      open.push_back(neighbour);
    };
    visit(i % g > 0, i - 1);
    visit(i % g + 1 < g, i + 1);
    visit(i / g > 0, i - g);
    visit(i / g + 1 < g, i + g);
  }
  return box;
}

std::string region_words(const std::optional<Box>& box) {
  if (!box) return "nowhere in particular";
  const auto [x0, y0, x1, y1] = *box;
  const auto third = [](double from, double to, const char* low, const char* high) {
    const double middle = (from + to) / 2;
    if (to - from > kMost) return "";
    return middle < 1.0 / 3 ? low : middle > 2.0 / 3 ? high : "";
  };
  if (x1 - x0 > kMost && y1 - y0 > kMost) return "all over";
  const std::string vertical = third(y0, y1, "top", "bottom");
  const std::string horizontal = third(x0, x1, "left", "right");
  if (vertical.empty() && horizontal.empty()) return "centre";
  return vertical + (vertical.empty() || horizontal.empty() ? "" : " ") + horizontal;
}

Json to_json(const Where& where) {
  Json support = Json::array(), corners = nullptr;
  for (const float s : where.support.places) support.push_back(rounded(static_cast<double>(s)));
  const std::optional<Box> box = where.box();
  if (box) {
    corners = Json::array();
    for (const double corner : *box) corners.push_back(rounded(corner));
  }
  return {{"grid", {where.support.grid, where.support.grid}},
          {"support", support},
          {"box", corners},
          {"region", region_words(box)}};
}

}  // namespace sterna::cli
