// SPDX-License-Identifier: Apache-2.0
import Policy

extension RuleTimes {
    /// What the zone's clocks show, in seconds since 1970 by them.
    private func local(_ second: Int) -> Int {
        second + Int(zone.changes.last { Int($0.minute) * 60 <= second }?.offset ?? 0)
    }

    /// Whether a time, in seconds since 1970, is one of these: counted by the minutes of the week.
    func contain(_ second: Int) -> Bool {
        let day = RuleTimes.minutesOfDay
        // Monday the fifth of January 1970 was the first of its kind.
        let minute = (local(second) / 60 - 4 * day) % (7 * day)
        return days.contains { number in
            let start = number * day + from
            let length = to > from ? to - from : to + day - from
            let since = (minute - start + 7 * day) % (7 * day)
            return since < length
        }
    }

    /// Seconds until the day's next edge, or the next change of the clocks.
    func secondsUntilEdge(_ second: Int) -> Int {
        let ofDay = local(second) % 86400
        let edges = [from * 60, to * 60, 86400].filter { $0 > ofDay }.map { $0 - ofDay }
        let changes = zone.changes.map { Int($0.minute) * 60 - second }.filter { $0 > 0 }
        return (edges + changes).min() ?? 0
    }
}
