#include "unit.hpp"

Unit native() { return this_unit(); }
