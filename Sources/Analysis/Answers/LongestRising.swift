// SPDX-License-Identifier: Apache-2.0

extension [Int] {
    /// The indices of a longest rising part of the list, ascending.
    package var longestRising: [Int] {
        var ends: [Int] = []
        var before = [Int](repeating: -1, count: count)
        for index in indices {
            var low = 0
            var high = ends.count
            while low < high {
                let middle = (low + high) / 2
                if self[ends[middle]] < self[index] { low = middle + 1 } else { high = middle }
            }
            if low > 0 { before[index] = ends[low - 1] }
            if low == ends.count { ends.append(index) } else { ends[low] = index }
        }
        var result: [Int] = []
        var index = ends.last ?? -1
        while index >= 0 {
            result.append(index)
            index = before[index]
        }
        return result.reversed()
    }
}
