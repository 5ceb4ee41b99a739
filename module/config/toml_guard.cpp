#include "config/toml_guard.h"

#include <algorithm>
#include <utility>

namespace mayfly {
namespace {

constexpr std::size_t kMaxDots = 512;  // of all keys together, since tables in tables add up
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }

/// Walks over a text and knows what is a text in quotes and what is a comment.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {
    if (text_.starts_with(kByteOrderMark)) at_ = start_ = kByteOrderMark.size();
  }

  std::optional<TomlObstacle> scan() {
    while (at_ < text_.size() && !obstacle_) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if ((c == '"' || c == '\'') && may_begin_text()) {
        skip_text(c);
      } else {
        look_at(c);
        ++at_;
      }
    }
    return std::move(obstacle_);
  }

 private:
  /// Elsewhere a quote is an error, which the reader looks for blanks behind.
  [[nodiscard]] bool may_begin_text() const {
    static constexpr std::string_view kBefore = " \t\r\n=[,{.";
    return at_ == start_ || kBefore.find(text_[at_ - 1]) != std::string_view::npos;
  }

  void look_at(char c) {
    if (c == '\n') ++line_;
    if (!is_ascii(c)) {
      obstacle_ = {line_, "has a character that is not ASCII; put it in quotes"};
    } else if (c == '.' && ++dots_ > kMaxDots) {
      obstacle_ = {line_, "has a key of too many parts; name the right file"};
    }
  }

  /// Over a text in quotes, to behind its end. One that is on one line ends with the line.
  void skip_text(char quote) {
    const std::string three(3, quote);
    const bool many_lines = text_.substr(at_).starts_with(three);
    const std::string_view end =
        many_lines ? std::string_view(three) : std::string_view(three).substr(2);
    at_ += end.size();
    bool trimming = false;  // behind a backslash, blanks and ends of lines are left out
    while (at_ < text_.size() && !obstacle_) {
      const char c = text_[at_];
      if (text_.substr(at_).starts_with(end)) {
        at_ += end.size();
        return;
      }
      if (c == '\n') {
        if (!many_lines) return;
        ++line_;
      }
      if (trimming && !is_ascii(c)) {
        obstacle_ = {line_, "has a \\ before a character that is not ASCII; leave it out"};
      }
      const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
      trimming = trimming && blank;
      if (c == '\\' && quote == '"') {
        trimming = true;
        if (at_ + 1 < text_.size() && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\')) {
          trimming = false;
          ++at_;
        }
      }
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t start_ = 0;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t dots_ = 0;
  std::optional<TomlObstacle> obstacle_;
};

}  // namespace

std::optional<TomlObstacle> find_toml_obstacle(std::string_view text) {
  return Scanner(text).scan();
}

}  // namespace mayfly
