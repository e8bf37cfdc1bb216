#include "march.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>

int main() {
  int wrong = 0;
  const Unit units[] = {baseline(), native()};
  std::vector<std::vector<float>> results;
  for (const Unit& maker : units)
    for (const Unit& starter : units)
      for (const Unit& runner : units) {
        const auto parameters = maker.make();
        auto state = starter.start(parameters);
        results.push_back(runner.recur(parameters, state));
        results.push_back(runner.convolve(parameters, state = starter.start(parameters)));
        (&runner == units ? units[1] : units[0]).drop(std::move(state));
      }
  float peak = 0;
  for (const float value : results.front()) peak = std::max(peak, std::abs(value));
  for (const auto& result : results)
    for (std::size_t i = 0; i < result.size(); ++i)
      if (!(std::abs(result[i] - results.front()[i]) <= 1e-5F * peak)) ++wrong;
  std::cout << results.size() << " runs, " << wrong << " samples disagree\n";
  return wrong == 0 && peak > 0 ? 0 : 1;
}
