// What became of the objects of a store, for those who keep a copy of them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <vector>

namespace mayfly {

/// ChangeLog remembers in which order objects came, changed and went. Each of these is one moment,
/// and moments are counted. Of those that went it remembers the last kRemembered: who asks for more
/// starts over.
///
/// Its owner takes care that one thread at a time is in it.
class ChangeLog {
 public:
  using Number = std::uint64_t;  ///< of an object
  using Moment = std::uint64_t;
  /// Told each moment as it comes. Must neither throw nor call back.
  using Listener = std::function<void(Moment)>;

  static constexpr std::size_t kRemembered = 4096;

  /// How far somebody who keeps a copy has been told. A list that comes in pieces stands for a
  /// while at an old moment, but what went meanwhile is told at once.
  struct Position {
    Moment changed = 0;  ///< of the objects that came or changed; 0 is the beginning
    Moment gone = 0;     ///< of the objects that went
  };

  struct Entry {
    Moment moment;
    Number object;
  };
  using Living = std::list<Entry>;  ///< by moment
  /// Where an object stands.
  using Mark = Living::iterator;

  /// @throws std::bad_alloc
  explicit ChangeLog(Listener listener);

  /// @throws std::bad_alloc, and nothing has changed.
  [[nodiscard]] Mark came(Number object);
  void changed(Mark mark) noexcept;
  void went(Mark mark) noexcept;

  [[nodiscard]] Moment now() const noexcept { return now_; }
  [[nodiscard]] const Living& living() const noexcept { return living_; }
  /// Whether who was told so far can be told the rest, and nothing that went meanwhile is
  /// forgotten. Not so for a moment that has not come.
  [[nodiscard]] bool reaches_back_to(const Position& told) const noexcept {
    return told.changed != 0 && told.changed <= told.gone && told.gone >= forgotten_ &&
           told.gone <= now_;
  }
  /// Those that went after a moment, as far as they are remembered.
  [[nodiscard]] std::vector<Number> gone_since(Moment moment) const;

 private:
  void announce() noexcept { listener_(now_); }

  const Listener listener_;
  Moment now_ = 0;
  Living living_;
  std::vector<Entry> gone_;  // a ring; all its memory is there from the start
  std::size_t next_gone_ = 0;
  Moment forgotten_ = 0;  // the last moment that was overwritten in the ring
};

}  // namespace mayfly
