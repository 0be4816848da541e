#include "bench/plot.h"

#include <sterna/models/atomic_file.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>

namespace sterna::cli {
namespace {

constexpr double kWidth = 640, kHeight = 360, kLeft = 60, kRight = 20, kTop = 30, kBottom = 50;
constexpr double kLeastRate = 0.02, kMostRate = 5;  // decodes a second, on a logarithmic scale

struct Style {
  const char* ink;
  bool dashed;
};
/// Colours tell gates apart, dashes what recalls.
Style style_of(const std::string& policy) {
  const bool dashed = policy.find('+') != policy.npos;
  if (policy.starts_with("uniform")) return {"#888888", dashed};
  if (policy == "sampled") return {"#bbbbbb", dashed};
  if (policy.starts_with("ward")) return {"#2a78c8", dashed};
  if (policy.starts_with("cusum")) return {"#d1495b", dashed};
  return {"#e2a03f", dashed};
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

double x_of(double rate) {
  const double share =
      std::log(std::max(rate, kLeastRate) / kLeastRate) / std::log(kMostRate / kLeastRate);
  return kLeft + (kWidth - kLeft - kRight) * share;
}

struct Point {
  double decodes = 0, value = 0;
};

std::vector<Point> curve_of(const std::vector<std::vector<PolicyRow>>& streams,
                            const std::string& policy, Metric metric) {
  std::map<double, Point> sums;  // by rate asked for
  for (const auto& rows : streams) {
    for (const PolicyRow& row : rows) {
      if (row.policy != policy || row.rate == 0) continue;
      sums[row.rate].decodes += static_cast<double>(row.decodes);
      sums[row.rate].value += row.*metric;
    }
  }
  std::vector<Point> curve;
  const auto n = static_cast<double>(streams.size());
  for (const auto& [rate, sum] : sums) curve.push_back({sum.decodes / n, sum.value / n});
  std::sort(curve.begin(), curve.end(),
            [](const Point& a, const Point& b) { return a.decodes < b.decodes; });
  return curve;
}

/// One panel, `top` pixels down; y goes from 0 to `most`.
std::string panel(const std::vector<std::vector<PolicyRow>>& streams, double seconds, Metric metric,
                  const char* title, double most, double top) {
  const double low = top + kHeight - kBottom, high = top + kTop;
  const auto y = [&](double value) { return low - (low - high) * value / most; };
  std::string svg = "<text x=\"" + number(kLeft) + "\" y=\"" + number(top + 18) +
                    "\" font-weight=\"bold\">" + title + "</text>\n";
  for (const double rate : {0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0}) {
    char label[16];
    std::snprintf(label, sizeof label, "%g", rate);
    const std::string x = number(x_of(rate));
    svg += "<line x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" + number(high) + "\" y2=\"" +
           number(low) + "\" stroke=\"#ddd\"/><text x=\"" + x + "\" y=\"" + number(low + 16) +
           "\" text-anchor=\"middle\">" + label + "</text>\n";
  }
  for (int fifth = 0; fifth <= 5; ++fifth) {
    const double value = most * fifth / 5;
    svg += "<line x1=\"60\" x2=\"620\" y1=\"" + number(y(value)) + "\" y2=\"" + number(y(value)) +
           "\" stroke=\"#ddd\"/><text x=\"52\" y=\"" + number(y(value) + 4) +
           "\" text-anchor=\"end\">" + number(value) + "</text>\n";
  }
  svg += "<text x=\"340\" y=\"" + number(low + 34) +
         "\" text-anchor=\"middle\">decodes a second</text>\n";
  double line = high + 16;
  for (const char* policy : policies()) {
    const Style style = style_of(policy);
    const std::string dash = style.dashed ? " stroke-dasharray=\"5 3\"" : "";
    svg += std::string("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"") + style.ink + "\"" +
           dash + " points=\"";
    for (const Point& p : curve_of(streams, policy, metric)) {
      svg += number(x_of(p.decodes / seconds)) + "," + number(y(p.value)) + " ";
    }
    svg += "\"/><line x1=\"66\" x2=\"90\" y1=\"" + number(line - 4) + "\" y2=\"" +
           number(line - 4) + "\" stroke-width=\"2\" stroke=\"" + style.ink + "\"" + dash +
           "/><text x=\"96\" y=\"" + number(line) + "\">" + policy + "</text>\n";
    line += 16;
  }
  return svg;
}

}  // namespace

void write_plot(const std::string& path, const std::vector<std::vector<PolicyRow>>& streams,
                double seconds) {
  double most_cider = 0.1;
  for (const auto& rows : streams) {
    for (const PolicyRow& row : rows) most_cider = std::max(most_cider, row.cider);
  }
  const std::string width = number(kWidth), height = number(2 * kHeight);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + width + " " +
                    height + "\" font-family=\"sans-serif\" font-size=\"12\"><rect width=\"" +
                    width + "\" height=\"" + height + "\" fill=\"white\"/>\n";
  svg +=
      panel(streams, seconds, &PolicyRow::score, "Closed labels: share of events said right", 1, 0);
  svg += panel(streams, seconds, &PolicyRow::cider, "Captions: mean CIDEr", std::ceil(most_cider),
               kHeight);
  svg += "</svg>\n";
  models::AtomicFile file(path);
  file.write(std::as_bytes(std::span(svg)));
  file.commit();
}

}  // namespace sterna::cli
