import Glibc

/// A moment, for machines in UTC and for people in local time.
struct Timestamp: Sendable, Hashable {
    /// Since 1970-01-01T00:00:00Z.
    var nanoseconds: UInt64

    private var second: Int { Int(nanoseconds / 1_000_000_000) }

    /// RFC 3339 in UTC with microseconds: `2026-01-02T03:04:05.000001Z`.
    var utc: String {
        let (year, month, day) = Timestamp.date(daysSince1970: second / 86400)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))"
        return "\(date)T\(clock(second % 86400)).\(pad(Int(nanoseconds / 1000 % 1_000_000), 6))Z"
    }

    /// The time of day here with milliseconds: `12:03:04.512`.
    var localClock: String {
        let local = (second + Timestamp.secondsEastOfUTC(at: second)) % 86400
        return "\(clock((local + 86400) % 86400)).\(pad(Int(nanoseconds / 1_000_000 % 1000), 3))"
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

    private static func secondsEastOfUTC(at second: Int) -> Int {
        var second = second
        var fields = unsafe tm()
        _ = unsafe localtime_r(&second, &fields)
        return unsafe fields.tm_gmtoff
    }
}
