#include "ssm/core/team.hpp"

#include "support/catch.hpp"

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

using namespace ssm;

namespace {

/// Messages of the members of a team, which are threads here.
struct Mail {
  explicit Mail(Index members) : size(members), boxes(static_cast<std::size_t>(members * members)) {}
  std::deque<std::vector<std::byte>>& box(Index from, Index to) {
    return boxes[static_cast<std::size_t>(from * size + to)];
  }
  Index size;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::deque<std::vector<std::byte>>> boxes;
};

/// A member that waits until what it sends is received: the hardest case for who sends in a wrong order.
class Waiting : public Team {
 public:
  Waiting(Mail& mail, Index rank) : mail_(mail), rank_(rank) {}
  Index rank() const noexcept override { return rank_; }
  Index size() const noexcept override { return mail_.size; }
  void send(std::span<const std::byte> bytes, Index to) override {
    std::unique_lock lock(mail_.mutex);
    put(bytes, to);
    mail_.changed.wait(lock, [&] { return mail_.box(rank_, to).empty(); });
  }
  void receive(std::span<std::byte> bytes, Index from) override {
    std::unique_lock lock(mail_.mutex);
    auto& box = mail_.box(from, rank_);
    mail_.changed.wait(lock, [&] { return !box.empty(); });
    if (box.front().size() != bytes.size()) throw Error("a message of another size");
    std::copy(box.front().begin(), box.front().end(), bytes.begin());
    box.pop_front();
    mail_.changed.notify_all();
  }

 protected:
  void put(std::span<const std::byte> bytes, Index to) {
    mail_.box(rank_, to).emplace_back(bytes.begin(), bytes.end());
    mail_.changed.notify_all();
  }
  Mail& mail_;
  Index rank_;
};
/// A member that posts what it sends, and does not wait for what has not arrived.
class Posting final : public Waiting {
 public:
  using Waiting::Waiting;
  void post(std::span<const std::byte> bytes, Index to) override {
    const std::lock_guard lock(mail_.mutex);
    put(bytes, to);
  }
  bool try_receive(std::span<std::byte> bytes, Index from) override {
    {
      const std::lock_guard lock(mail_.mutex);
      if (mail_.box(from, rank_).empty()) return false;
    }
    receive(bytes, from);
    return true;
  }
};

/// Runs work(member) on every member; what one throws is thrown.
template <class Member>
void on_all(Index members, const std::function<void(Team&)>& work) {
  Mail mail(members);
  std::vector<std::thread> threads;
  std::vector<std::string> errors(static_cast<std::size_t>(members));
  for (Index r = 0; r < members; ++r)
    threads.emplace_back([&, r] {
      try {
        Member member(mail, r);
        work(member);
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(r)] = error.what();
      }
    });
  for (auto& each : threads) each.join();
  for (const auto& each : errors)
    if (!each.empty()) throw Error(each);
}

/// Several values through all members in order, with work between them: every member gets the bits of the order.
template <class Member>
void go_through() {
  constexpr std::size_t values = 9, numbers = 700;
  const auto share = [](std::size_t value, std::size_t rank) {
    return 0.1F * static_cast<float>(value + 1) + 1e6F / static_cast<float>(rank + 1);
  };
  for (const Index members : {1, 2, 5}) {
    std::vector<std::vector<float>> got(static_cast<std::size_t>(members));
    on_all<Member>(members, [&](Team& team) {
      const auto rank = static_cast<std::size_t>(team.rank());
      std::vector<std::array<float, numbers>> memory(values);
      ssm::detail::Rounds rounds(&team);
      for (int twice = 0; twice < 2; ++twice) {
        for (std::size_t v = 0; v < values; ++v) {
          std::this_thread::sleep_for(std::chrono::microseconds((rank * 7 + v * 3) % 5 * 100));
          if (rank == 0) memory[v].fill(0);
          rounds.add({std::as_writable_bytes(std::span(memory[v]).first(1)),
                      std::as_writable_bytes(std::span(memory[v]).subspan(1))},
                     [&, v] {
                       for (float& each : memory[v]) each += share(v, rank);
                     });
        }
        rounds.finish();
      }
      for (const auto& each : memory) got[rank].insert(got[rank].end(), each.begin(), each.end());
    });
    for (std::size_t v = 0; v < values; ++v) {
      float sum = 0;
      for (std::size_t r = 0; r < static_cast<std::size_t>(members); ++r) sum += share(v, r);
      for (const auto& each : got) CHECK(each[v * numbers + numbers - 1] == sum);
    }
    for (const auto& each : got) CHECK(each == got[0]);
  }
}

}  // namespace

TEST_CASE("numbers of a team are added up in the order of its members", "[core]") {
  std::array<std::vector<float>, 4> got;
  on_all<Waiting>(4, [&](Team& team) {
    auto& own = got[static_cast<std::size_t>(team.rank())];
    own = {0.1F * static_cast<float>(team.rank() + 1), 1e8F / static_cast<float>(team.rank() + 1)};
    add_up(team, std::span(own));
    wait_for_all(team);
  });
  float first = 0.1F, second = 1e8F;
  for (int r = 1; r < 4; ++r) {
    first += 0.1F * static_cast<float>(r + 1);
    second += 1e8F / static_cast<float>(r + 1);
  }
  for (const auto& each : got) CHECK(each == std::vector<float>{first, second});
}

TEST_CASE("a member that has something else is named on every member", "[core]") {
  std::array<std::string, 3> said;
  on_all<Waiting>(3, [&](Team& team) {
    require_agreement(team, "what all have", 7);
    try {
      require_agreement(team, "the recipe", team.rank() == 1 ? 1 : 2);
    } catch (const DomainError& error) {
      said[static_cast<std::size_t>(team.rank())] = error.what();
    }
  });
  for (const auto& each : said)
    CHECK_THAT(each, support::ContainsSubstring("the recipe: expected the same on every rank, got others on rank 1"));
}

TEST_CASE("values go through all members while they work on, in order", "[core]") {
  go_through<Waiting>();
  go_through<Posting>();
  std::vector<int> order;  // alone
  ssm::detail::Rounds rounds(nullptr);
  rounds.add({}, [&] { order.push_back(1); });
  CHECK(order == std::vector<int>{1});
  rounds.add({}, [&] { order.push_back(2); });
  rounds.finish();
  CHECK(order == std::vector<int>{1, 2});
}
