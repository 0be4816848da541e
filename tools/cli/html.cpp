#include "cli/html.h"

#include <span>

#include "cli/text.h"
#include "cli/thumbnail.h"

namespace sterna::cli {

namespace {

// What all pages share; no script, no outside resource: they can be mailed and opened anywhere.
constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width"/>
)";
constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--line:#8884;--mark:#2a78c8;--right:#2c8a4b;--wrong:#c0392b}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1.1rem}
)";

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : to_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        // Other control characters are not allowed in a page.
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string picture_url(const vision::Image& picture) {
  const std::vector<std::byte> bytes = jpeg(picture);
  return "data:image/jpeg;base64," +
         base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

HtmlPage::HtmlPage(const std::filesystem::path& path, std::string_view title,
                   std::string_view style)
    : file_(path) {
  write(kHead);
  write("<title>" + html_text(title) + "</title><style>");
  write(kStyle);
  write(style);
  write("</style></head><body>\n<h1>" + html_text(title) + "</h1>\n");
}

void HtmlPage::write(std::string_view html) { file_.write(std::as_bytes(std::span(html))); }

void HtmlPage::finish() {
  write("</body></html>\n");
  file_.commit();
}

}  // namespace sterna::cli
