// SPDX-License-Identifier: Apache-2.0

/// A point in time, as RFC 3339 writes it.
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Nanoseconds since 1970 in UTC. Earlier times are clamped to 1970, and times beyond the year 2554 to the largest
    /// value.
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20 else { return nil }
        for (index, mark) in [(4, "-"), (7, "-"), (13, ":"), (16, ":")] where bytes[index] != mark.utf8.first {
            return nil
        }
        guard [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: " ")].contains(bytes[10]) else { return nil }
        func number(_ range: Range<Int>) -> Int? { Problems.decimal(String(decoding: bytes[range], as: UTF8.self)) }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month),
            (1...Timestamp.days(year, month)).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var rest = bytes[19...]
        var fraction: [UInt8] = []
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { (48...57).contains($0) }
            if digits.isEmpty { return nil }
            fraction = Array(digits.prefix(9))
            rest = rest[digits.endIndex...]
        }
        guard let offset = Timestamp.offset(String(decoding: rest, as: UTF8.self)) else { return nil }
        let seconds = Timestamp.days(before: year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
        let part = (fraction + Array(repeating: 48, count: 9 - fraction.count)).reduce(0) { $0 * 10 + UInt64($1 - 48) }
        let (whole, isBeyond) = UInt64(max(seconds, 0)).multipliedReportingOverflow(by: 1_000_000_000)
        nanoseconds = isBeyond || whole > .max - 1_000_000_000 ? .max : seconds < 0 ? 0 : whole + part
    }

    static func secondsBefore(year: Int) -> Int { days(before: year, 1, 1) * 86400 }

    /// The offset from UTC in seconds, positive east of Greenwich.
    private static func offset(_ text: String) -> Int? {
        if text == "Z" || text == "z" { return 0 }
        let parts = text.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard text.hasPrefix("+") || text.hasPrefix("-"), parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
            let hours = Problems.decimal(parts[0]), let minutes = Problems.decimal(parts[1]), hours < 24, minutes < 60
        else { return nil }
        return (hours * 60 + minutes) * (text.hasPrefix("-") ? -60 : 60)
    }

    static func days(_ year: Int, _ month: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    }

    /// The days from 1970-01-01 to a date; negative for earlier dates.
    static func days(before year: Int, _ month: Int, _ day: Int) -> Int {
        // Count years from March, so that the leap day is the last day of a year.
        let march = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let leaps = march >= 0 ? march / 4 - march / 100 + march / 400 : -1
        return march * 365 + leaps + dayOfYear - 719_468
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String { utc }

    private var second: Int { Int(nanoseconds / 1_000_000_000) }

    /// RFC 3339 in UTC with microseconds: `2026-01-02T03:04:05.000001Z`.
    public var utc: String {
        let (year, month, day) = Timestamp.date(daysSince1970: second / 86400)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))"
        return "\(date)T\(clock(second % 86400)).\(pad(Int(nanoseconds / 1000 % 1_000_000), 6))Z"
    }

    private func clock(_ second: Int) -> String {
        "\(pad(second / 3600, 2)):\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2))"
    }

    private func pad(_ number: Int, _ width: Int) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The Gregorian date, counted in years that begin in March so that the leap day comes last.
    private static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let sinceMarch0 = days + 719_468
        let (era, dayOfEra) = sinceMarch0.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}
