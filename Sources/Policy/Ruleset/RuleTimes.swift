// SPDX-License-Identifier: Apache-2.0

/// When a rule matches, by the days and the clock of a time zone.
public struct RuleTimes: Sendable, Hashable {
    /// Days of the week, Monday 0.
    public var days: Set<Int>
    /// Minutes of the day. If `from` is not before `to`, the time goes on until `to` of the next day.
    public var from: Int
    public var to: Int
    public var zone: TimeZoneTable

    public static let minutesOfDay = 1440
    static let dayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    public init(days: Set<Int> = Set(0..<7), from: Int = 0, to: Int = 1440, zone: TimeZoneTable = .utc) {
        self.days = days
        self.from = from
        self.to = to
        self.zone = zone
    }
}

/// What a time zone's clocks show, until the middle of the century.
public struct TimeZoneTable: Sendable, Hashable {
    public struct Change: Sendable, Hashable {
        /// Minutes since 1970 in UTC.
        public var minute: UInt32
        /// From then on, in seconds, east of Greenwich positive.
        public var offset: Int32

        public init(minute: UInt32, offset: Int32) {
            self.minute = minute
            self.offset = offset
        }
    }

    public var name: String
    /// Ascending, the first at minute 0; at most ``most``.
    public var changes: [Change]

    public static let most = 64

    public static let utc = TimeZoneTable(name: "UTC", changes: [Change(minute: 0, offset: 0)])

    public init(name: String, changes: [Change]) {
        self.name = name
        self.changes = changes
    }
}

extension RuleTimes: CustomStringConvertible {
    public var description: String {
        func clock(_ minute: Int) -> String {
            let (hour, rest) = minute.quotientAndRemainder(dividingBy: 60)
            return (hour < 10 ? "0" : "") + "\(hour):" + (rest < 10 ? "0" : "") + "\(rest)"
        }
        let days = days.count == 7 ? "" : " " + self.days.sorted().map { RuleTimes.dayNames[$0] }.joined(separator: ",")
        return "times\(days) \(clock(from))-\(clock(to)) \(zone.name)"
    }
}
