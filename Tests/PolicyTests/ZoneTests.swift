// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Policy

/// Time zones read from the system's database agree with the C library.
@Suite struct ZoneTests {
    @Test(arguments: [
        "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Etc/GMT+5",
        "America/Santiago", "Pacific/Chatham", "Europe/Dublin", "UTC",
    ]) func agreesWithTheLibrary(name: String) throws {
        let table = try #require(ZoneFile.zone(name), "the system has no time zone \(name)")
        let zone = try #require(TimeZone(identifier: name))
        #expect(table.changes.first?.minute == 0)
        #expect(table.changes.count <= TimeZoneTable.most)
        // Every six hours and a bit from 2024 to 2036.
        var second = 1_704_067_200
        while second < 2_082_758_400 {
            let offset = table.changes.last { Int($0.minute) * 60 <= second }?.offset ?? 0
            let expected = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
            try #require(Int(offset) == expected, "\(name) at \(second)")
            second += 22_031
        }
    }

    /// A rule of the file's end tells what no list of changes does.
    @Test func theRuleGoesOn() throws {
        let table = try #require(ZoneFile.zone("Europe/Berlin"))
        #expect(table.changes.count > 60)
        // Last Sunday of March 2050, 01:00 UTC.
        #expect(table.changes.contains(.init(minute: 42_199_260, offset: 7200)))
    }

    @Test(arguments: ["", "/etc/passwd", "../zoneinfo/UTC", "Europe", "posixrules ", "zone.tab"])
    func refusesOthers(name: String) { #expect(ZoneFile.zone(name) == nil) }

    @Test func refusesDamagedFiles() throws {
        let bytes = Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/Europe/Berlin")))
        for length in stride(from: 0, to: bytes.count, by: 7) {
            _ = ZoneFile.table("cut", Array(bytes.prefix(length)))
        }
        for place in stride(from: 0, to: min(bytes.count, 200), by: 1) {
            var damaged = bytes
            damaged[place] = 0xff
            _ = ZoneFile.table("damaged", damaged)
        }
    }
}
