#pragma once

#include "ssm/recurrence/state.hpp"

#include <cassert>
#include <concepts>
#include <memory>
#include <typeinfo>
#include <vector>

namespace ssm::detail {

/// A value of a type that only who made it knows: a state, a cotangent. Copying it copies the value; assigning one of
/// the same type assigns the value, so that it allocates only where that does.
class Erased {
 public:
  Erased() = default;
  /// Takes a value.
  template <std::copyable Value>
  static Erased of(Value value) {
    Erased made;
    made.held_ = std::make_unique<Of<Value>>(std::move(value));
    return made;
  }
  Erased(const Erased& other) : held_(other.held_ ? other.held_->copy() : nullptr) {}
  Erased(Erased&&) noexcept = default;
  Erased& operator=(const Erased& other) {
    if (this == &other) return *this;
    if (held_ && other.held_ && held_->type() == other.held_->type())
      held_->assign(*other.held_);
    else
      held_ = other.held_ ? other.held_->copy() : nullptr;
    return *this;
  }
  Erased& operator=(Erased&&) noexcept = default;
  ~Erased() = default;

  /// Returns whether it holds a value of this type.
  template <class Value>
  bool is() const noexcept {
    return held_ && held_->type() == typeid(Value);
  }
  /// Returns the value. Another type is the caller's error (asserted).
  template <class Value>
  Value& as() noexcept {
    assert(is<Value>());
    return static_cast<Of<Value>&>(*held_).value;
  }
  /// Returns the value. Another type is the caller's error (asserted).
  template <class Value>
  const Value& as() const noexcept {
    assert(is<Value>());
    return static_cast<const Of<Value>&>(*held_).value;
  }
  /// Returns the value, made by default where there is none of this type yet.
  template <class Value>
  Value& as_or_made() {
    if (!is<Value>()) *this = of(Value());
    return as<Value>();
  }
  /// Adds another value of the same type, where the type has `+=`.
  Erased& operator+=(const Erased& other) {
    held_->add(*other.held_);
    return *this;
  }
  /// Compares by value; values of types without `==` are never equal.
  friend bool operator==(const Erased& a, const Erased& b) {
    if (!a.held_ || !b.held_) return !a.held_ && !b.held_;
    return a.held_->type() == b.held_->type() && a.held_->equals(*b.held_);
  }
  /// The memory that is a state's value, for `save` and `restore`; none where its type names none.
  friend std::vector<std::span<std::byte>> parts(Erased& state) {
    return state.held_ ? state.held_->memory() : std::vector<std::span<std::byte>>{};
  }
  /// Name of such a state.
  friend std::string_view kind(const Erased& state) { return state.held_ ? state.held_->name() : "no state"; }

 private:
  struct Held {
    virtual ~Held() = default;
    virtual const std::type_info& type() const noexcept = 0;
    virtual std::unique_ptr<Held> copy() const = 0;
    virtual void assign(const Held& other) = 0;
    virtual void add(const Held& other) = 0;
    virtual bool equals(const Held& other) const = 0;
    virtual std::vector<std::span<std::byte>> memory() = 0;
    virtual std::string_view name() const = 0;
  };
  template <class Value>
  struct Of final : Held {
    explicit Of(Value given) : value(std::move(given)) {}
    static const Value& of(const Held& other) { return static_cast<const Of&>(other).value; }
    const std::type_info& type() const noexcept override { return typeid(Value); }
    std::unique_ptr<Held> copy() const override { return std::make_unique<Of>(value); }
    void assign(const Held& other) override { value = of(other); }
    void add([[maybe_unused]] const Held& other) override {
      if constexpr (requires(Value & sum) { sum += sum; }) value += of(other);
    }
    bool equals([[maybe_unused]] const Held& other) const override {
      if constexpr (std::equality_comparable<Value>)
        return value == of(other);
      else
        return false;
    }
    std::vector<std::span<std::byte>> memory() override {
      std::vector<std::span<std::byte>> all;
      if constexpr (SavableState<Value>) StateHead::each_part(value, [&](auto part) { all.push_back(part); });
      return all;
    }
    std::string_view name() const override {
      if constexpr (requires { kind(value); })
        return kind(value);
      else
        return "a state";
    }
    Value value;
  };
  std::unique_ptr<Held> held_;
};

/// One value of each type that was asked for: scratch memory of layers of several kinds.
class ErasedByType {
 public:
  /// Returns the value of this type, made by default where there is none yet.
  template <class Value>
  Value& get() {
    for (Erased& each : values_)
      if (each.is<Value>()) return each.as<Value>();
    return values_.emplace_back(Erased::of(Value())).template as<Value>();
  }

 private:
  std::vector<Erased> values_;
};

}  // namespace ssm::detail
