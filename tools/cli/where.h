#pragma once

#include <sterna/models/model.h>

#include <array>
#include <optional>
#include <string>

#include "cli/names.h"

namespace sterna::cli {

/// A part of the upright picture: x0, y0, x1, y1 in shares of its sides.
using Box = std::array<double, 4>;

/// Where in its picture an answer has its support.
struct Where {
  Support support;
  std::array<float, 4> seen{0, 0, 1, 1};  // Scene::seen: what the grid covers

  /// The share of the picture that place `i` of the grid covers.
  Box place(size_t i) const;
  /// Around the places with at least half of the highest support that hang together with the one
  /// that has it (by their sides). Nothing if no place has support.
  std::optional<Box> box() const;
};

/// "top left", "centre", "bottom", ...: the ninth of the picture that holds the middle of the box;
/// a box over most of a side leaves out that side's word, one over most of both is "all over".
/// Without a box "nowhere in particular".
std::string region_words(const std::optional<Box>& box);

/// {"grid": [rows, columns], "support": [a number a place, by rows], "box": [x0, y0, x1, y1] or
/// null, "region": words}
Json to_json(const Where& where);

}  // namespace sterna::cli
