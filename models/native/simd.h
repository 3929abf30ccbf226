// A SIMD vector of sixteen values on every machine: in one register, or in as many as sixteen values take there.
//
// GCC's own vectors of 64 bytes go through memory at every operation on machines whose registers are smaller.
#pragma once

#include <cstdint>
#include <cstring>

// Without it, vectors that take more than one register are passed through memory.
#define SHOAL_INLINE __attribute__((always_inline)) inline

namespace shoal {

constexpr int kLanes = 16;
#if defined(__AVX512F__)
constexpr int kRegister = 64;  // bytes
#elif defined(__AVX__)
constexpr int kRegister = 32;
#else
constexpr int kRegister = 16;
#endif

template <class T>
struct Simd {
  static constexpr int kParts = kLanes * sizeof(T) / kRegister, kEach = kLanes / kParts;
  typedef T Part __attribute__((vector_size(kRegister)));

  Part part[kParts];

  T operator[](int i) const { return part[i / kEach][i % kEach]; }
};

typedef Simd<float> Floats;
typedef Simd<int32_t> Ints;  // as a mask: -1 is true

// The vector whose part[p] is work(p).
template <class Result, class Work>
inline Result by_register(Work&& work) {
  Result result;
#pragma GCC unroll 4
  for (int p = 0; p < Result::kParts; p++) result.part[p] = work(p);
  return result;
}

template <class T>
inline Simd<T> broadcast(T x) {
  return by_register<Simd<T>>([&](int) { return x - typename Simd<T>::Part{}; });
}

template <class T>
struct Itself {  // keeps a type from being deduced
  using Type = T;
};

#define SHOAL_OPERATOR(op, Result)                                             \
  template <class T>                                                           \
  inline Result operator op(Simd<T> a, Simd<T> b) {                            \
    return by_register<Result>([&](int p) { return a.part[p] op b.part[p]; }); \
  }                                                                            \
  template <class T>                                                           \
  inline Result operator op(Simd<T> a, typename Itself<T>::Type b) {           \
    return by_register<Result>([&](int p) { return a.part[p] op b; });         \
  }                                                                            \
  template <class T>                                                           \
  inline Result operator op(typename Itself<T>::Type a, Simd<T> b) {           \
    return by_register<Result>([&](int p) { return a op b.part[p]; });         \
  }
SHOAL_OPERATOR(+, Simd<T>)
SHOAL_OPERATOR(-, Simd<T>)
SHOAL_OPERATOR(*, Simd<T>)
SHOAL_OPERATOR(/, Simd<T>)
SHOAL_OPERATOR(&, Simd<T>)
SHOAL_OPERATOR(|, Simd<T>)
SHOAL_OPERATOR(^, Simd<T>)
SHOAL_OPERATOR(<<, Simd<T>)
SHOAL_OPERATOR(>>, Simd<T>)
SHOAL_OPERATOR(<, Ints)
SHOAL_OPERATOR(>, Ints)
SHOAL_OPERATOR(>=, Ints)
SHOAL_OPERATOR(==, Ints)
#undef SHOAL_OPERATOR

template <class T, class U>
inline Simd<T>& operator+=(Simd<T>& a, U b) {
  return a = a + b;
}

template <class T, class U>
inline Simd<T>& operator*=(Simd<T>& a, U b) {
  return a = a * b;
}

template <class T, class U>
inline Simd<T>& operator-=(Simd<T>& a, U b) {
  return a = a - b;
}

template <class T, class U>
inline Simd<T>& operator|=(Simd<T>& a, U b) {
  return a = a | b;
}

template <class T>
inline Simd<T> operator-(Simd<T> a) {
  return by_register<Simd<T>>([&](int p) { return -a.part[p]; });
}

inline Floats select(Ints which, Floats yes, Floats no) {
  return by_register<Floats>([&](int p) { return which.part[p] ? yes.part[p] : no.part[p]; });
}

// To the nearest float.
inline Floats to_floats(Ints x) {
  return by_register<Floats>([&](int p) { return __builtin_convertvector(x.part[p], Floats::Part); });
}

// The same bits, as floats or as integers.
inline Floats as_floats(Ints x) {
  return by_register<Floats>([&](int p) { return (Floats::Part)x.part[p]; });
}
inline Ints as_ints(Floats x) {
  return by_register<Ints>([&](int p) { return (Ints::Part)x.part[p]; });
}

template <class V, class T>
inline V load(const T* from) {
  static_assert(sizeof *from == sizeof(V) / kLanes, "a load keeps the bits");
  return by_register<V>([&](int p) {
    typename V::Part part;
    std::memcpy(&part, from + p * V::kEach, sizeof part);
    return part;
  });
}

template <class T>
inline void store(T* to, Simd<T> v) {
  for (int p = 0; p < v.kParts; p++) std::memcpy(to + p * v.kEach, v.part + p, sizeof v.part[p]);
}

// Sixteen integers of a smaller type, extended by sign or by zeros as the type says.
template <class T>
inline Ints widen_ints(const T* from) {
  typedef T Narrow __attribute__((vector_size(Ints::kEach * sizeof(T))));
  return by_register<Ints>([&](int p) {
    Narrow part;
    std::memcpy(&part, from + p * Ints::kEach, sizeof part);
    return __builtin_convertvector(part, Ints::Part);
  });
}

inline Ints lower_bits(Simd<uint64_t> x) {
  typedef int32_t Narrow __attribute__((vector_size(x.kEach * sizeof(int32_t))));
  int32_t all[kLanes];
  for (int p = 0; p < x.kParts; p++) {
    const Narrow part = __builtin_convertvector(x.part[p], Narrow);
    std::memcpy(all + p * x.kEach, &part, sizeof part);
  }
  return load<Ints>(all);
}

// The lower bits of each value.
template <class T>
inline void store_narrow(T* to, Ints v) {
  typedef T Narrow __attribute__((vector_size(Ints::kEach * sizeof(T))));
  for (int p = 0; p < Ints::kParts; p++) {
    const Narrow part = __builtin_convertvector(v.part[p], Narrow);
    std::memcpy(to + p * Ints::kEach, &part, sizeof part);
  }
}

}  // namespace shoal
