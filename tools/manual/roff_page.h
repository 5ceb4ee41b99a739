// A manual page as man(7) takes it.
#pragma once

#include <string>
#include <string_view>

namespace mayfly::tools {

/// Text in which nothing is a command of roff. What stands between two backticks is bold.
[[nodiscard]] std::string roff_text(std::string_view text);

/// RoffPage models a page that is written from top to bottom.
class RoffPage {
 public:
  /// @param name     "mayfly-run"
  /// @param section  1 to 8
  /// @param manual   what stands in the middle of the page's head
  /// @param summary  one line
  RoffPage(std::string_view name, int section, std::string_view manual, std::string_view summary);

  void section(std::string_view title);
  void subsection(std::string_view title);
  void paragraph();
  /// Sentences, filled. A line that is indented stands as it is; an empty one begins a paragraph.
  void prose(std::string_view text);
  /// A term in bold, the placeholder of its value in italics, and what it means.
  void item(std::string_view term, std::string_view value, std::string_view text);
  /// A line of roff, as it is.
  void raw(std::string_view line);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace mayfly::tools
