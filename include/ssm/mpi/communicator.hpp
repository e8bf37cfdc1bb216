#pragma once

#include "ssm/core/team.hpp"
#include "ssm/mpi/last_words.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <limits>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

/// A sequence or a training over the processes of an MPI run. Needs MPI (target ssm::mpi): it is not in <ssm/ssm.hpp>.
namespace ssm::mpi {

/// MPI reports an error, or another rank does not answer.
struct CommunicationError : TeamError {
  using TeamError::TeamError;
};

namespace detail {

/// @throws CommunicationError with MPI's own text unless the code says success
inline void require_success(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw CommunicationError(ssm::detail::message(what, ": ", std::string_view(text, static_cast<std::size_t>(length))));
}

}  // namespace detail

/// The ranks that work together: a communicator of its own, so that its messages meet no others.
///
/// Every function of more than one rank has an end: what is not answered within `patience` throws, and does not wait
/// for ever. One thread at a time (MPI_THREAD_FUNNELED is enough). After an error the ranks are not in step any more,
/// and it is of no further use.
class Communicator final : public Team {
 public:
  /// Joins the ranks of `world`. All of them must call it.
  /// @param world      whose ranks they are: MPI_COMM_WORLD, for one
  /// @param patience   how long a rank waits for an answer     s, > 0
  /// @throws           CommunicationError if MPI reports an error; DomainError if the patience is not positive
  explicit Communicator(MPI_Comm world, double patience = 600) : patience_(patience) {
    ssm::detail::require_positive("patience", patience);
    detail::require_success(MPI_Comm_dup(world, &ranks_), "communicator");
    detail::require_success(MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN), "communicator");
    int rank = 0, size = 1;
    detail::require_success(MPI_Comm_rank(ranks_, &rank), "communicator");
    detail::require_success(MPI_Comm_size(ranks_, &size), "communicator");
    rank_ = rank;
    size_ = size;
  }
  ~Communicator() override {
    int over = 0;
    MPI_Finalized(&over);
    if (over == 0) {
      posted_.clear();
      begun_.reset();
    }
    // Freeing waits for the others, who may wait for this rank: not while an error is on its way.
    if (over == 0 && std::uncaught_exceptions() == 0) MPI_Comm_free(&ranks_);
  }
  /// This rank, from 0.
  Index rank() const noexcept override { return rank_; }
  /// Number of ranks.
  Index size() const noexcept override { return size_; }
  /// Messages that this rank has sent.
  Index messages() const noexcept { return messages_; }
  /// Bytes that this rank has sent.
  Index bytes() const noexcept { return bytes_; }

  /// Sends bytes to a rank and receives others from one, at the same time.
  /// @param sent       what goes to
  /// @param to         a rank, or none: -1
  /// @param received   becomes what comes, of this size, from
  /// @param from       a rank, or none: -1
  /// @throws           CommunicationError if MPI reports an error, if the message has another size, or if there is no
  ///                   answer in time
  void exchange(std::span<const std::byte> sent, Index to, std::span<std::byte> received, Index from) {
    forget_arrived();
    Requests requests;
    if (from >= 0) start_receive(requests, received, from);
    if (to >= 0) start_send(requests, sent, to);
    wait_for(requests, from >= 0 ? from : to);
    if (from >= 0) require_size(requests, received.size(), from);
  }
  /// Sends bytes to a rank.
  /// @throws as exchange
  void send(std::span<const std::byte> bytes, Index to) override { exchange(bytes, to, {}, -1); }
  /// Receives bytes from a rank.
  /// @throws as exchange
  void receive(std::span<std::byte> bytes, Index from) override {
    if (!begun_) return exchange({}, -1, bytes, from);
    wait_for(begun_->request, from);
    end_receive(bytes, from);
  }
  /// Sends a copy of bytes to a rank, and does not wait for it.
  /// @throws CommunicationError if MPI reports an error
  void post(std::span<const std::byte> bytes, Index to) override {
    forget_arrived();
    Message& one = posted_.emplace_back();
    one.bytes.assign(bytes.begin(), bytes.end());
    start_send(one.request, one.bytes, to);
  }
  /// Receives bytes from a rank where they have arrived. Where not, it has begun to, and is to be asked the same again,
  /// or `receive`.
  /// @throws CommunicationError if MPI reports an error, or the message has another size
  bool try_receive(std::span<std::byte> bytes, Index from) override {
    if (!begun_) {
      begun_ = std::make_unique<Message>();
      begun_->bytes.resize(bytes.size());
      start_receive(begun_->request, begun_->bytes, from);
    }
    if (!begun_->request.all_done()) return false;
    end_receive(bytes, from);
    return true;
  }
  /// Says it, after the rank's number, when the launcher ends this rank: see `run`.
  void remember(std::string_view words) override {
    detail::LastWords::set(ssm::detail::message("ssm: rank ", rank_, ": ended from outside; ", words, "\n"));
  }

 private:
  /// A receive and a send on their way. What is not done when an error ends it is taken back: its memory may go then.
  struct Requests {
    std::array<MPI_Request, 2> requests{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    std::array<MPI_Status, 2> statuses{};
    int count = 0;

    MPI_Request* next() noexcept { return &requests[static_cast<std::size_t>(count++)]; }
    bool all_done() {
      int done = 0;
      const int code = MPI_Testall(count, requests.data(), &done, statuses.data());
      if (code == MPI_ERR_IN_STATUS)
        for (int i = 0; i < count; ++i)
          detail::require_success(statuses[static_cast<std::size_t>(i)].MPI_ERROR, "exchange");
      detail::require_success(code, "exchange");
      return done != 0;
    }
    ~Requests() {
      for (MPI_Request& request : requests)
        if (int done = 0; request != MPI_REQUEST_NULL && (MPI_Test(&request, &done, MPI_STATUS_IGNORE), done == 0)) {
          MPI_Cancel(&request);
          MPI_Request_free(&request);
        }
    }
  };
  /// A message on its way, with its memory.
  struct Message {
    std::vector<std::byte> bytes;
    Requests request;
  };
  void start_receive(Requests& requests, std::span<std::byte> bytes, Index from) {
    detail::require_success(
        MPI_Irecv(bytes.data(), count_of(bytes.size()), MPI_BYTE, static_cast<int>(from), 0, ranks_, requests.next()),
        "receive");
  }
  void start_send(Requests& requests, std::span<const std::byte> bytes, Index to) {
    detail::require_success(
        MPI_Isend(bytes.data(), count_of(bytes.size()), MPI_BYTE, static_cast<int>(to), 0, ranks_, requests.next()),
        "send");
    ++messages_;
    bytes_ += std::ssize(bytes);
  }
  void forget_arrived() {
    posted_.remove_if([](Message& each) { return each.request.all_done(); });
  }
  /// Waits until messages have arrived.
  /// @param whose   the rank that an answer is expected of, for the message
  void wait_for(Requests& requests, Index whose) const {
    const auto start = std::chrono::steady_clock::now();
    while (!requests.all_done()) {
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
      if (waited.count() > patience_)
        throw CommunicationError(
            ssm::detail::message("expected an answer of rank ", whose, " within ", patience_, " s, got none"));
      std::this_thread::yield();
    }
  }
  /// Checks the size of what was received, which was started first.
  static void require_size(const Requests& requests, std::size_t expected, Index from) {
    int count = 0;
    detail::require_success(MPI_Get_count(&requests.statuses[0], MPI_BYTE, &count), "receive");
    if (static_cast<std::size_t>(count) != expected)
      throw CommunicationError(ssm::detail::message("expected ", expected, " bytes from rank ", from, ", got ", count));
  }
  /// Ends the receive that has begun, whose bytes have arrived.
  void end_receive(std::span<std::byte> bytes, Index from) {
    const std::unique_ptr<Message> arrived = std::move(begun_);
    require_size(arrived->request, bytes.size(), from);
    std::copy_n(arrived->bytes.begin(), bytes.size(), bytes.begin());
  }
  static int count_of(std::size_t bytes) {
    constexpr std::size_t most = std::numeric_limits<int>::max();
    if (bytes > most)
      throw DomainError(ssm::detail::message("bytes of a message: expected at most ", most, ", got ", bytes));
    return static_cast<int>(bytes);
  }

  MPI_Comm ranks_ = MPI_COMM_NULL;
  std::list<Message> posted_;       // not yet known to have arrived
  std::unique_ptr<Message> begun_;  // a receive that `try_receive` began
  double patience_;
  Index rank_ = 0, size_ = 1, messages_ = 0, bytes_ = 0;
};

/// Runs a program on all ranks: begins MPI, calls `body(world)`, ends MPI. An error of one rank ends all of them, with
/// its message and the rank's number. Where a rank is killed, the launcher names it and ends the others (by SIGTERM:
/// Open MPI does), and each says what it was to remember: a training, its last good checkpoint.
///
///     int main(int argc, char** argv) {
///       return ssm::mpi::run(argc, argv, [](ssm::mpi::Communicator& world) { .. });
///     }
///
/// @param argc       main's
/// @param argv       main's
/// @param body       returns nothing, or the program's code
/// @param patience   how long a rank waits for another's answer     s, > 0
/// @return           that code, 0 of nothing; an error does not return
template <class Body>
int run(int argc, char** argv, Body&& body, double patience = 600) {
  int threads = 0;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &threads) != MPI_SUCCESS) return 1;
  int rank = 0, code = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  try {
    if (threads < MPI_THREAD_FUNNELED)
      throw CommunicationError("expected an MPI for programs with threads (MPI_THREAD_FUNNELED), got one without");
    Communicator world(MPI_COMM_WORLD, patience);
    world.remember("nothing of its work is kept");
    detail::LastWords::begin();
    if constexpr (std::is_void_v<std::invoke_result_t<Body, Communicator&>>)
      std::forward<Body>(body)(world);
    else
      code = std::forward<Body>(body)(world);
  } catch (const std::exception& error) {
    std::cerr << ssm::detail::message("ssm: rank ", rank, ": ", error.what(), "\n") << std::flush;
    // Ranks that give up at once do not end all at once: MPICH's launcher, asked twice, has left a silent rank behind.
    std::this_thread::sleep_for(std::chrono::milliseconds(20) * std::min(rank, 50));
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  return MPI_Finalize() == MPI_SUCCESS ? code : 1;
}

}  // namespace ssm::mpi
