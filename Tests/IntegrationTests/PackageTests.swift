// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What the Debian package holds, as `Scripts/package` lays it out. `Scripts/test --with package` builds it, and
/// installs and boots it.
@Suite(.serialized) struct PackageTests {
    private static let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A folder with the package's files, which is removed with this value.
    private final class Layout {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-package-\(UUID().uuidString)")

        init(_ suite: String) throws {
            try Shell.check(
                PackageTests.checkout.appending(path: "Scripts/package").path, "--layout", folder.path, "--suite",
                suite, "--executable", Bulkhead.executable)
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        func text(_ path: String) throws -> String {
            try String(contentsOf: folder.appending(path: path), encoding: .utf8)
        }

        func holds(_ path: String) -> Bool {
            FileManager.default.fileExists(atPath: folder.appending(path: path).path)
        }

        func addExecutable(_ path: String) throws {
            let file = folder.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: file)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        }
    }

    private static let units = ["bulkhead.service", "bulkhead-agent.service", "bulkhead-device@.service"]

    @Test(arguments: ["bookworm", "trixie"]) func thePackageSaysWhatItIs(suite: String) throws {
        let layout = try Layout(suite)
        let control = try layout.text("DEBIAN/control")
        #expect(control.contains("\nVersion: 0.1.0-1~\(suite)\n"))
        #expect(!control.split(separator: "\n").contains { $0.contains(": @") }, "a place was not filled in")
        #expect(try layout.text("DEBIAN/conffiles") == "/etc/bulkhead/policy.yaml\n/etc/logrotate.d/bulkhead\n")
        for script in ["postinst", "prerm", "postrm"] {
            try Shell.check("sh", "-n", layout.folder.appending(path: "DEBIAN/\(script)").path)
        }
        for path in [
            "usr/sbin/bulkhead", "usr/sbin/bulkhead-agent", "usr/share/bulkhead/libvirt-hook",
            "usr/lib/udev/rules.d/85-bulkhead.rules",
            "usr/share/bash-completion/completions/bulkhead", "usr/share/zsh/vendor-completions/_bulkhead",
            "usr/share/fish/vendor_completions.d/bulkhead.fish", "usr/share/doc/bulkhead/copyright",
            "usr/share/doc/bulkhead/examples/public-server.yaml", "usr/share/man/man5/bulkhead-policy.5.gz",
            "usr/share/bulkhead/openapi.json", "usr/share/bulkhead/policy.schema.json",
            "usr/share/bulkhead/monitoring/bulkhead.rules.yml",
            "usr/share/bulkhead/monitoring/bulkhead-dashboard.json", "usr/share/bulkhead/monitoring/scrape.yml",
            "usr/share/bulkhead/monitoring/metrics.conf",
        ] {
            #expect(layout.holds(path), "\(path)")
        }
    }

    @Test func asInstalledThePolicyEnforcesNothing() throws {
        let policy = Self.checkout.appending(path: "Packaging/policy.yaml").path
        let result = try Shell.run([Bulkhead.executable, "check", "--strict", policy])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("0 rules, 0 ports"), "\(result.output)")
    }

    @Test(arguments: ["bookworm", "trixie"]) func theUnitsAreSoundAndMayDoLittle(suite: String) throws {
        let layout = try Layout(suite)
        for unit in Self.units {
            let path = layout.folder.appending(path: "usr/lib/systemd/system/\(unit)").path
            let text = try layout.text("usr/lib/systemd/system/\(unit)")
            #expect(!text.contains("@SANDBOX@") && !text.contains("@CAPABILITIES@"))
            #expect(text.contains("CAP_SYS_ADMIN") == (suite == "bookworm"))
            // `systemctl reload bulkhead` is a change that is noted.
            let notes = "ReadWritePaths=-/var/log/bulkhead\n"
            #expect(text.contains(notes) == (unit == "bulkhead.service"))
            // What a unit runs of the system's own.
            if text.contains("/bin/kill") { try layout.addExecutable("bin/kill") }
            let name = unit.replacing("@", with: "@1")
            let verified = try Shell.run(
                ["systemd-analyze", "verify", "--man=no", "--root=\(layout.folder.path)", name])
            #expect(verified.status == 0, "\(verified.errors)")
            #expect(verified.errors.isEmpty, "\(verified.errors)")
            // The threshold is in tenths.
            let judged = try Shell.run(
                ["systemd-analyze", "security", "--offline=true", "--threshold=29", "--no-pager", path])
            #expect(judged.status == 0, "\(judged.lines.suffix(2))")
        }
    }

    /// The agent serves nothing as installed, and may do no more than it needs where it does.
    @Test func metricsAreADropIn() throws {
        let layout = try Layout("trixie")
        let unit = "usr/lib/systemd/system/bulkhead-agent.service"
        #expect(try !layout.text(unit).contains("--metrics"))
        #expect(try layout.text(unit).contains("RestrictAddressFamilies=AF_NETLINK AF_UNIX\n"))
        let folder = layout.folder.appending(path: "\(unit).d")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try layout.text("usr/share/bulkhead/monitoring/metrics.conf")
            .write(to: folder.appending(path: "metrics.conf"), atomically: true, encoding: .utf8)
        try layout.addExecutable("bin/kill")
        let verified = try Shell.run(
            ["systemd-analyze", "verify", "--man=no", "--root=\(layout.folder.path)", "bulkhead-agent.service"])
        #expect(verified.status == 0 && verified.errors.isEmpty, "\(verified.errors)")
    }

    /// Each command has a page, which is made of its help.
    @Test func thePagesOfTheManualAreShown() throws {
        let layout = try Layout("trixie")
        let folder = layout.folder.appending(path: "usr/share/man")
        var pages = try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "man8").path).map {
            "man8/\($0)"
        }
        let commands = try FileManager.default.contentsOfDirectory(
            atPath: Self.checkout.appending(path: "docs/commands").path)
        #expect(pages.count == commands.count)
        pages.append("man5/bulkhead-policy.5.gz")
        for page in pages {
            let path = folder.appending(path: page).path
            let result = try Shell.run(
                [
                    "sh", "-c",
                    "gzip -dc '\(path)' | groff -t -man -Tutf8 -P-cbou 2>&1 >'\(path).txt'; cat '\(path).txt'",
                ])
            let text = result.output
            let name = page.split(separator: "/")[1].split(separator: ".")[0]
            #expect(text.contains("NAME\n") && text.contains("\(name) "), "\(page): \(text.prefix(200))")
            #expect(text.contains("SEE ALSO") || name == "bulkhead-policy", "\(page)")
            #expect(!text.contains("](") && !text.contains("<!--"), "\(page) has Markdown in it")
            // Narrow columns of tables cannot always be filled evenly.
            let complaints = text.split(separator: "\n").filter {
                $0.contains("warning") && !$0.contains("adjust line") && !$0.contains("break line")
            }
            #expect(complaints.filter { $0.hasPrefix("troff") }.isEmpty, "\(page): \(complaints)")
        }
    }
}
