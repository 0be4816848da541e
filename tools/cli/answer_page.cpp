#include "cli/answer_page.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace sterna::cli {

namespace {

// The picture without its heat is seen where the pointer rests on it.
constexpr std::string_view kStyle = R"(
article{display:grid;grid-template-columns:minmax(12rem,24rem) 1fr;gap:1.5rem;
border-top:1px solid var(--line);padding:1rem 0}
svg{width:100%;height:auto;display:block;border-radius:4px;overflow:hidden}
.heat{fill:#e8212b;filter:blur(6px);transition:opacity .2s}
.box{fill:none;stroke:#fff;stroke-width:2;stroke-dasharray:6 4;transition:opacity .2s}
svg:hover .heat,svg:hover .box{opacity:0}
h2{margin:0;overflow-wrap:anywhere;font-weight:normal;color:GrayText}
.question{font-size:1.1rem;margin:.3rem 0;overflow-wrap:anywhere}
.answer{font-size:1.3rem;margin:.3rem 0}
table{border-spacing:.5rem 0}td{overflow-wrap:anywhere}
.error{color:var(--wrong)}
@media(max-width:40rem){article{grid-template-columns:1fr}}
)";

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::string percent(float share) { return std::to_string(std::lround(100 * share)) + " %"; }

/// <rect> of a box in a picture of width x height, without its end.
std::string rectangle(const Box& box, double width, double height) {
  return "<rect x=\"" + number(box[0] * width) + "\" y=\"" + number(box[1] * height) +
         "\" width=\"" + number((box[2] - box[0]) * width) + "\" height=\"" +
         number((box[3] - box[1]) * height) + "\"";
}

}  // namespace

std::string heat_map(const vision::Image& picture, const Where* where, std::string_view label) {
  const auto width = static_cast<double>(picture.width);
  const auto height = static_cast<double>(picture.height);
  const std::string sides = "width=\"" + std::to_string(picture.width) + "\" height=\"" +
                            std::to_string(picture.height) + "\"";
  std::string out = "<svg viewBox=\"0 0 " + std::to_string(picture.width) + " " +
                    std::to_string(picture.height) + "\" role=\"img\" aria-label=\"" +
                    html_text(label) + "\">\n<image " + sides + " href=\"" + picture_url(picture) +
                    "\"/>";
  const auto box = where == nullptr ? std::nullopt : where->box();
  if (!box) return out + "</svg>\n";
  const std::vector<float>& support = where->support.places;
  const float peak = *std::max_element(support.begin(), support.end());
  out += "\n<g class=\"heat\">";
  for (size_t i = 0; i < support.size(); ++i) {
    if (!(support[i] > 0)) continue;
    out += rectangle(where->place(i), width, height) + " fill-opacity=\"" +
           number(0.65 * static_cast<double>(support[i] / peak)) + "\"/>";
  }
  return out + "</g>\n" + rectangle(*box, width, height) + " class=\"box\"/></svg>\n";
}

AnswerPage::AnswerPage(const std::filesystem::path& path, std::string_view model)
    : page_(path, "sterna ask", kStyle) {
  page_.write("<p>" + html_text(model) +
              ". Red, inside the dashed frame most: places of the picture without which the answer "
              "would be less like the one given.</p>\n");
}

void AnswerPage::add(const QuestionGroup& group, const Question& question, const Reply& reply) {
  std::string card = "<article>\n";
  const bool answered = reply.error.empty();
  const Answer& answer = reply.answer;
  if (reply.picture) {
    const std::string label = answered ? group.image + ": " + answer.text : group.image;
    card += heat_map(*reply.picture, reply.where ? &*reply.where : nullptr, label);
  } else {
    card += "<div></div>";
  }
  card += "<div><h2>" + html_text(group.image) + "</h2>\n<p class=\"question\">" +
          html_text(question.text) + "</p>\n";
  if (!answered) {
    page_.write(card + "<p class=\"error\">" + html_text(reply.error) + "</p></div></article>\n");
    return;
  }
  card += "<p class=\"answer\">";
  card += answer.sure ? "" : "not sure: ";
  card += "<b>" + html_text(answer.text) + "</b> (" + percent(answer.confidence) + ")";
  if (reply.where) card += ", " + region_words(reply.where->box());
  card += "</p>\n<table>";
  for (const Candidate& c : answer.candidates) {
    card += "<tr><td>" + html_text(c.text) + "</td><td><meter min=\"0\" max=\"1\" value=\"" +
            number(static_cast<double>(c.score)) + "\"></meter></td><td>" + percent(c.score) +
            "</td></tr>";
  }
  page_.write(card + "</table></div></article>\n");
}

}  // namespace sterna::cli
