#include "cli/eval_page.h"

#include <algorithm>
#include <cmath>

namespace sterna::cli {

namespace {

// The tables come last in the file and first on the page. The box hides what every model knows.
constexpr std::string_view kStyle = R"(
body{display:flex;flex-direction:column}
h1{order:-3}.tables{order:-2;overflow-x:auto}.filter{order:-1;margin:1rem 0}
table{border-collapse:collapse}td,th{text-align:right;padding:.1rem .6rem;
border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}
article{display:grid;grid-template-columns:10rem 1fr;gap:1rem;border-top:1px solid var(--line);
padding:.6rem 0}
img{max-width:10rem;max-height:10rem;border-radius:4px}
h3{margin:0;font-size:.9rem;font-weight:normal;color:GrayText;overflow-wrap:anywhere}
p{margin:.2rem 0;overflow-wrap:anywhere}.right{color:var(--right)}.wrong{color:var(--wrong)}
input:checked~article.known{display:none}
.filter input{margin-right:.5rem}
)";

}  // namespace

EvalPage::EvalPage(const std::filesystem::path& path, std::string_view questions)
    : page_(path, questions, kStyle) {
  page_.write(
      "<input class=\"filter\" type=\"checkbox\" id=\"wrong\" style=\"width:1rem\" "
      "aria-label=\"only questions with a wrong answer\"/><label class=\"filter\" "
      "for=\"wrong\">only questions with a wrong answer</label>\n");
}

void EvalPage::add(std::string_view image, const vision::Image* picture, std::string_view question,
                   std::string_view task, std::span<const std::string> accepted,
                   std::span<const std::string> models, std::span<const Verdict> verdicts) {
  const bool known =
      std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& v) { return v.right; });
  std::string card = known ? "<article class=\"known\">" : "<article>";
  card +=
      picture == nullptr ? "<div></div>" : "<img alt=\"\" src=\"" + picture_url(*picture) + "\"/>";
  card += "<div><h3>" + html_text(image) + "</h3>\n<p><b>" + html_text(question) + "</b> (" +
          html_text(task) + ") ";
  for (size_t i = 0; i < accepted.size(); ++i) {
    card += (i == 0 ? "" : " or ") + html_text(accepted[i]);
  }
  card += "</p>\n";
  for (size_t i = 0; i < verdicts.size(); ++i) {
    const Verdict& v = verdicts[i];
    card += v.right ? "<p class=\"right\">" : "<p class=\"wrong\">";
    if (models.size() > 1) card += html_text(models[i]) + ": ";
    if (v.error.empty()) {
      card += (v.right ? "\u2713 " : "\u2717 ") + html_text(v.answer) + " (" +
              std::to_string(std::lround(100 * v.confidence)) + " %)</p>\n";
    } else {
      card += html_text(v.error) + "</p>\n";
    }
  }
  page_.write(card + "</div></article>\n");
}

void EvalPage::finish(std::span<const ModelScores> models) {
  page_.write("<div class=\"tables\">" + score_html(models) + "</div>\n");
  page_.finish();
}

}  // namespace sterna::cli
