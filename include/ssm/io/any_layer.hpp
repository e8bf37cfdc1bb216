#pragma once

#include "ssm/io/layer.hpp"
#include "ssm/layer/any_layer.hpp"
#include "ssm/layer/bidirectional.hpp"
#include "ssm/layer/lssl.hpp"
#include "ssm/layer/s4.hpp"
#include "ssm/layer/s4d.hpp"
#include "ssm/layer/s5.hpp"

/// Reading of models and layers without knowing what is inside. It names every layer of the library, and so takes long
/// to compile.
namespace ssm::io {

/// Kinds of layers that a file may name: a short list compiles sooner than all of them.
///
///     const auto model = io::load<nn::Stack<AnyLayer<float>>, io::Kinds<float, S4D<float>, MyLayer>>(path);
///
/// @tparam T        scalar of the data
/// @tparam Layers   whose parameters have a `kind`, settings and arrays
template <Real T, TrainableLayer... Layers>
struct Kinds {
  /// Returns parameters, of no size, of a layer of this kind.
  /// @throws FormatError that names the kinds, if it is none of them
  AnyParameters<T> operator()(const std::string& kind) const {
    AnyParameters<T> made;
    std::string all;
    const auto look = [&]<class Layer>(std::type_identity<Layer>) {
      typename Layer::Parameters parameters{};
      const std::string name = ssm::detail::kind_of<Layer>(parameters);
      all += (all.empty() ? "" : ", ") + name;
      if (!made && name == kind) made = AnyParameters<T>::template of<Layer>(std::move(parameters));
    };
    (look(std::type_identity<Layers>()), ...);
    if (!made) throw FormatError(ssm::detail::message("layer: expected one of ", all, ", got ", kind));
    return made;
  }
};
/// All kinds that the library has, and your own.
/// @tparam T     scalar of the data
/// @tparam Own   layers whose parameters have a `kind`, settings and arrays
template <Real T, TrainableLayer... Own>
using AnyKinds =
    Kinds<T, S4D<T>, S4<T>, S5<T>, LSSL<T>, RectangularS5<T>, Bidirectional<S4D<T>>, Bidirectional<S4<T>>,
          Bidirectional<S5<T>>, Bidirectional<LSSL<T>>, Bidirectional<RectangularS5<T>>, ShiftedBidirectional<S4D<T>>,
          ShiftedBidirectional<S4<T>>, ShiftedBidirectional<S5<T>>, ShiftedBidirectional<LSSL<T>>,
          ConcatenatedBidirectional<S4D<T>>, ConcatenatedBidirectional<S4<T>>, ConcatenatedBidirectional<S5<T>>,
          ConcatenatedBidirectional<LSSL<T>>, Own...>;

namespace detail {

template <Real T>
struct KindsOf<AnyParameters<T>> : AnyKinds<T> {};

}  // namespace detail
}  // namespace ssm::io
