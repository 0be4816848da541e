#include "watch/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sterna::cli {
namespace {

constexpr std::string_view kStyle = R"(
:root{--soft:#2a78c855}
body{display:flex;flex-direction:column}
h1{order:-3}header{order:-2}figure{order:-1;margin:1rem 0}
svg{width:100%;height:auto;display:block}
article{display:grid;grid-template-columns:10rem 1fr auto;gap:1rem;align-items:center;
border-top:1px solid var(--line);padding:.5rem 0}
img{max-width:10rem;max-height:7rem;border-radius:4px}
time{color:GrayText;font-variant-numeric:tabular-nums}
b{display:block;font-size:1.1rem}
)";

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

}  // namespace

std::string time_text(double seconds) {
  constexpr double kMost = 1e17;  // ten times this is still a long long
  seconds = std::min(std::max(0.0, seconds), kMost);
  const auto tenths = static_cast<long long>(std::floor(seconds * 10));
  const long long minutes = tenths / 600;
  char text[48];
  if (minutes >= 60) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld.%lld", minutes / 60, minutes % 60,
                  tenths / 10 % 60, tenths % 10);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld.%lld", minutes, tenths / 10 % 60, tenths % 10);
  }
  return text;
}

double WatchSummary::spared() const {
  return frames == 0 ? 0 : static_cast<double>(unchanged) / static_cast<double>(frames);
}

double WatchSummary::saved_ms() const {
  const auto each = [](double seconds, size_t n) {
    return n == 0 ? 0 : seconds / static_cast<double>(n);
  };
  const double passes = each(embed_seconds, embedded) * static_cast<double>(unchanged);
  const size_t silent = frames - std::min(frames, decodes);
  const double words = each(decode_seconds, decodes) * static_cast<double>(silent);
  return 1e3 * (passes + words - compare_seconds);
}

std::string summary_text(const WatchSummary& s) {
  std::string text = time_text(s.seconds) + ": " + std::to_string(s.frames) +
                     " frames looked at, " + std::to_string(s.embedded) + " encoded, " +
                     std::to_string(s.unchanged) + " unchanged, " + std::to_string(s.dropped) +
                     " dropped, " + std::to_string(s.decodes) + " put into words";
  if (s.recalled > 0) text += ", " + std::to_string(s.recalled) + " recalled";
  char costs[128];
  std::snprintf(costs, sizeof costs,
                "; %.2f s for pixels, %.2f s for the tower (%.0f %% of its passes spared), %.2f s "
                "for words; ",
                s.compare_seconds, s.embed_seconds, 100 * s.spared(), s.decode_seconds);
  return text + costs + cost_text(s.cost);
}

WatchReport::WatchReport(const std::filesystem::path& path, std::string_view source,
                         std::string_view model)
    : page_(path, source, kStyle) {
  write("<header>" + html_text(model) + "</header>\n");
}

void WatchReport::write(std::string_view text) { page_.write(text); }

void WatchReport::sample(double seconds, double statistic, double threshold) {
  if (pending_ == 0 || statistic > peak_.statistic) peak_ = {seconds, statistic, threshold};
  if (++pending_ < per_sample_) return;
  samples_.push_back(peak_);
  pending_ = 0;
  if (samples_.size() < kMostSamples) return;
  // Of each two neighbours the higher one stays: peaks are what the curve is for.
  for (size_t i = 0; i < samples_.size() / 2; ++i) {
    const Sample &a = samples_[2 * i], &b = samples_[2 * i + 1];
    samples_[i] = a.statistic >= b.statistic ? a : b;
  }
  samples_.resize(samples_.size() / 2);
  per_sample_ *= 2;
}

void WatchReport::add(const WatchEvent& event, const vision::Image* picture) {
  std::string row = "<article>";
  if (picture != nullptr) {
    row += "<img alt=\"\" src=\"" + picture_url(*picture) + "\">";
  } else {
    row += "<span></span>";
  }
  row += "<div><b>" + html_text(event.text) + "</b><time>" + time_text(event.start) + " to " +
         time_text(event.end) + ", frame " + std::to_string(event.frame) +
         "</time></div><meter min=\"0\" max=\"1\" value=\"" + number(event.confidence) + "\">" +
         number(event.confidence) + "</meter></article>\n";
  write(row);
  // The timeline keeps as many bars as it can show; beyond, two become one.
  bars_.push_back({event.start, event.end, bars_.empty() || !bars_.back().even});
  if (bars_.size() < kMostSamples) return;
  for (size_t i = 0; i < bars_.size() / 2; ++i) {
    bars_[i] = {bars_[2 * i].start, bars_[2 * i + 1].end, i % 2 == 0};
  }
  bars_.resize(bars_.size() / 2);
}

void WatchReport::finish(const WatchSummary& s) {
  if (pending_ > 0) samples_.push_back(peak_);
  double first = 0, last = 1, most = 1e-9;
  if (!bars_.empty()) {
    first = bars_.front().start;
    last = std::max(bars_.back().end, first + 1e-3);
  }
  for (const Sample& p : samples_) {
    most = std::max({most, p.statistic, p.threshold});
    last = std::max(last, p.seconds);
  }
  constexpr double kWidth = 1000, kHeight = 160;
  const auto x = [&](double seconds) { return (seconds - first) / (last - first) * kWidth; };
  const auto y = [&](double value) { return kHeight - value / most * (kHeight - 10); };
  write("<figure><svg viewBox=\"0 0 1000 200\" role=\"img\" aria-label=\"timeline\">\n");
  for (const Bar& bar : bars_) {
    write("<rect x=\"" + number(x(bar.start)) + "\" y=\"170\" height=\"24\" width=\"" +
          number(std::max(0.5, x(bar.end) - x(bar.start))) + "\" fill=\"var(" +
          (bar.even ? "--mark" : "--soft") + ")\"/>\n");
  }
  for (const bool curve : {false, true}) {
    if (samples_.empty()) break;
    write(curve ? "<polyline fill=\"none\" stroke=\"var(--mark)\" points=\""
                : "<polyline fill=\"none\" stroke=\"GrayText\" stroke-dasharray=\"4 3\" points=\"");
    for (const Sample& p : samples_) {
      write(number(x(p.seconds)) + "," + number(y(curve ? p.statistic : p.threshold)) + " ");
    }
    write("\"/>\n");
  }
  write(
      "</svg><figcaption>Distance between now and the open segment; dashed, where it counts as a "
      "change; below, the segments.</figcaption></figure>\n<header>" +
      html_text(summary_text(s)) + ".</header>\n");
  page_.finish();
}

}  // namespace sterna::cli
