#pragma once

#include <sterna/models/atomic_file.h>
#include <sterna/vision/image.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace sterna::cli {

/// `text` for HTML, inside elements and quoted attributes; bytes that are no UTF-8 show U+FFFD.
std::string html_text(std::string_view text);

/// The picture inside a page: "data:image/jpeg;base64,...".
std::string picture_url(const vision::Image& picture);

/// A page that needs nothing but itself, and is well-formed XML too. It is written while it grows,
/// so memory stays flat, and appears when it is complete. All throw Error naming the file.
class HtmlPage {
 public:
  /// `title` is text; `style` is CSS beside what all pages share.
  HtmlPage(const std::filesystem::path& path, std::string_view title, std::string_view style);
  void write(std::string_view html);
  void finish();

 private:
  models::AtomicFile file_;
};

}  // namespace sterna::cli
