// Processes that do the same thing at the same moment, round after round.
#pragma once

#include <atomic>
#include <cstdio>
#include <functional>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace mayfly::test {

/// Memory that forked children share with their parent, of zeros at first.
template <typename Kind>
class Shared {
 public:
  explicit Shared(std::size_t count) : count_(count) {
    void* memory = mmap(nullptr, count * sizeof(Kind), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<Kind*>(memory);
  }
  ~Shared() { munmap(data_, count_ * sizeof(Kind)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  Kind& operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  std::size_t count_;
  Kind* data_ = nullptr;
};

/// ProcessTeam forks processes that each play all rounds; a round begins when all have arrived.
class ProcessTeam {
 public:
  /// What a member does in a round. What it throws ends the team.
  using Play = std::function<void(unsigned round)>;
  /// Gives a member its play, in its process, where nothing is open that the parent has.
  using Join = std::function<Play(unsigned member)>;

  /// Plays to the end. @return whether every member got there.
  static bool play(unsigned members, unsigned rounds, const Join& join) {
    const Shared<std::atomic<unsigned>> arrived(rounds + 1);
    const Shared<std::atomic<bool>> over(1);
    std::vector<pid_t> processes;
    for (unsigned member = 0; member < members; ++member) {
      const pid_t process = fork();
      if (process != 0) {
        processes.push_back(process);
        continue;
      }
      _exit(run(members, rounds, member, join, arrived, over[0]) ? 0 : 1);
    }
    bool well = true;
    for (const pid_t process : processes) {
      int status = -1;
      waitpid(process, &status, 0);
      well = well && status == 0;
    }
    return well;
  }

 private:
  static bool run(unsigned members, unsigned rounds, unsigned member, const Join& join,
                  const Shared<std::atomic<unsigned>>& arrived, std::atomic<bool>& over) {
    try {
      const Play play = join(member);
      for (unsigned round = 0; round < rounds; ++round) {
        ++arrived[round];
        while (arrived[round] < members) {
          if (over) return false;
          std::this_thread::yield();
        }
        play(round);
      }
      return true;
    } catch (const std::exception& error) {
      fprintf(stderr, "member %u: %s\n", member, error.what());
      over = true;
      return false;
    }
  }
};

}  // namespace mayfly::test
