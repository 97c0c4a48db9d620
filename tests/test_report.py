"""The report: what it says, and that it works in a real browser."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from once import make_once, shared_folder
from playwright.sync_api import Browser, Page, sync_playwright
from processes import run_program
from project import CHROMIUM, RNNCLF, RUN_PY

from rnnclf.files.predictions import read_predictions
from rnnclf.report.mistakes import confusion_counts, confusions, mistakes
from rnnclf.runs.find import find_runs

SCRIPT = "<script>alert(1)</script>"
CLASSES = ("</script><b>up", "down & out")
REPEATS = 13  # so often the script stands in a text, which makes it a long one
WORDS = ("good", "bad")  # what tells the classes apart, in four texts of five
RUN = ["cell=gru", "dataset=csv", "dataset.folder=mine"]
RUN += ["dataset.validation_fraction=0.5", "epochs=3", "embedding_size=8"]
SEARCH = ["-m", "sweeps=default", "sampler=grid", "lr=choice(1e-6,0.01,0.1)", "batch_size=8"]
SEARCH += ["hidden_size=8", "pruner=none", "workers=1", "hydra.sweeper.refit.seeds=2"]
SEARCH += ["hydra.sweeper.refit.keep_known=false"]  # so that it is the winner
ONE_MORE = ["hidden_size=16", "hydra.run.dir=outputs/Single"]
STUDY = Path("outputs", "studies", "default-csv-mine-gru")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, a run, and a report on them; all processes of the tests share it."""
    return make_once(shared_folder(tmp_path_factory) / "report", make_report)


def make_report(place: Path) -> None:
    """Writes data that attacks the page, trains on them, and reports."""
    data = place / "mine"
    data.mkdir()
    rows = "".join(
        f"{SCRIPT * REPEATS} {WORDS[i % 2]},{CLASSES[(i + (i % 5 == 0)) % 2]}\n" for i in range(120)
    )
    for name in ("train", "test"):
        (data / f"{name}.csv").write_text("sentence,label\n" + rows)
    for arguments in (RUN + SEARCH, RUN + ONE_MORE):
        run_program(RUN_PY, *arguments, cwd=place).check_returncode()
    run_program(RNNCLF, "report", cwd=place).check_returncode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser: Browser, place: Path) -> Iterator[tuple[Page, list[str]]]:
    """The report in a tab, which is opened once, and what went wrong there."""
    wrong: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or wrong.append(r.url))
    page.goto((place / "report.html").as_uri())
    yield page, wrong
    page.close()


@pytest.fixture
def page(tab: tuple[Page, list[str]]) -> Iterator[Page]:
    """The report in a tab in which nothing may go wrong, as on a wide light screen."""
    page, wrong = tab
    page.set_viewport_size({"width": 1200, "height": 900})
    page.emulate_media(media="screen", color_scheme="light")
    yield page
    assert wrong == []


def scroll_through(page: Page) -> None:
    for canvas in page.locator(".canvas").all():
        canvas.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.canvas:not(.js-plotly-plot)').length === 0")


def column(page: Page, number: int) -> list[str]:
    """The cells of the leaderboard's column, counted from 1, or from the last with -1."""
    place = f"nth-child({number})" if number > 0 else f"nth-last-child({-number})"
    return page.locator(f".tall tbody tr:visible td:{place}").all_inner_texts()


@pytest.mark.browser
def test_every_figure_is_drawn_without_a_network(page):
    scroll_through(page)
    captions = page.locator("figcaption").all_inner_texts()
    assert [caption.split()[0] for caption in captions] == [
        *("Every", "Tuning", "The", "The"),  # trial, curve, all hyperparameters, winner again
        *("Loss", "Accuracy", "Confusions"),
    ]
    assert page.locator("figure:has(.main-svg)").count() == len(captions)


@pytest.mark.browser
def test_texts_and_classes_are_shown_as_they_are(page):
    quotes = page.locator(".mistakes").inner_text()
    assert SCRIPT in quotes
    assert set(page.locator(".mistakes .right").all_inner_texts()) <= set(CLASSES)
    scroll_through(page)
    ticks = page.locator("figure", has_text="Confusions on").locator(".ytick")
    assert sorted(filter(None, ticks.all_text_contents())) == sorted(CLASSES)


@pytest.mark.browser
def test_a_long_text_opens_in_full(page):
    long = page.locator(".mistakes details").first
    assert not long.locator("blockquote").is_visible()
    long.locator("summary").click()
    assert long.locator("blockquote").inner_text().count(SCRIPT) == REPEATS


@pytest.mark.browser
def test_a_click_on_a_heading_sorts_and_another_one_turns_it_around(page):
    assert column(page, 1) == ["1", "2", "3", "4"]
    heading = page.locator(".tall th", has_text="validation accuracy")
    button = heading.get_by_role("button")
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    accuracies = column(page, 3)
    assert accuracies == sorted(accuracies)
    button.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, 3) == sorted(accuracies, reverse=True)
    tested = page.locator(".tall th", has_text="test accuracy").get_by_role("button")
    for _ in range(2):
        tested.click()
        assert column(page, 4)[0], "what is missing comes last in both directions"
    assert page.locator(".tall th[aria-sort]").count() == 1


@pytest.mark.browser
def test_the_filter_leaves_the_rows_with_all_its_words(page):
    box = page.get_by_role("searchbox")
    box.fill("GRU single")
    assert len(column(page, 1)) == 1
    assert page.locator(".filter output").inner_text() == "1 of 4 runs"
    box.fill("nothing has this")
    assert column(page, 1) == []
    box.fill("")
    assert len(column(page, 1)) == 4


@pytest.mark.browser
def test_dark_mode_changes_the_page_and_its_figures(page):
    def colours() -> tuple[str, str]:
        scroll_through(page)
        return page.evaluate(
            """[getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector(".xtick text")).fill]"""
        )

    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert (light[0], dark[0]) == ("rgb(253, 252, 250)", "rgb(22, 25, 29)")
    assert light[1] != dark[1]


@pytest.mark.browser
def test_a_phone_shows_it_without_scrolling_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    scroll_through(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    loss = page.locator("figure", has_text="Loss over").locator(".main-svg").first
    assert loss.bounding_box()["width"] < 390


@pytest.mark.browser
def test_it_can_be_printed(browser, place):
    page = browser.new_page(color_scheme="dark", viewport={"width": 1200, "height": 900})
    page.goto((place / "report.html").as_uri())
    page.emulate_media(media="print")
    assert not page.locator(".filter").is_visible()
    paper = page.evaluate("document.body.clientWidth")
    for figure in page.locator("figure .main-svg").all():
        assert figure.bounding_box()["width"] <= paper
    assert page.locator(".canvas:not(.js-plotly-plot)").count() == 0, "those below are drawn, too"
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink == "rgb(34, 37, 42)", "on paper the page is light"
    assert page.pdf().startswith(b"%PDF")
    page.close()


@pytest.mark.browser
def test_its_commands_give_the_same_runs_again(page, place, rnnclf, tmp_path):
    shutil.copytree(place / "mine", tmp_path / "mine")
    commands = [text.splitlines()[-1] for text in page.locator("pre").all_inner_texts()]
    assert len(commands) == 2, "of the study's winner, and of the best run with a GRU"
    best = max(run.val_accuracy for run in find_runs([place / "outputs"]).runs)
    winner = json.loads((place / STUDY / "study.json").read_text())["best"][0]["values"][0]
    for folder, command, accuracy in zip("ab", commands, (winner, best), strict=True):
        program, *arguments = shlex.split(command)[1:]
        assert program == "train"
        done = rnnclf("train", *arguments, f"hydra.run.dir={folder}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        again = json.loads((tmp_path / folder / "result.json").read_text())
        assert again["val_accuracy"] == accuracy


def test_it_is_small_and_has_nothing_from_elsewhere(place):
    html = (place / "report.html").read_text(encoding="utf-8")
    assert len(html.encode()) < 6_000_000
    assert html.count(SCRIPT) == 0
    assert "default-src 'none'" in html
    assert 'src="' not in html.rsplit("</script>", 1)[1]


@pytest.mark.browser
def test_a_test_accuracy_is_that_of_the_winner_trained_again(page, place):
    (study,) = find_runs([place / "outputs"]).studies
    refit = study.record.refit
    tested = {
        folder: accuracy
        for folder, accuracy in zip(column(page, -1), column(page, 4), strict=True)
        if accuracy
    }
    winner = str(STUDY / str(refit.trial))
    assert tested == {winner: f"{refit.final.mean:.4f} ± {refit.final.sd:.4f}"}


def test_confusions_and_mistakes_are_those_of_the_predictions(place):
    from sklearn.metrics import confusion_matrix

    predictions = read_predictions(place / "outputs" / "Single" / "predictions.csv", "validation")
    truth = [prediction.label for prediction in predictions]
    guess = [prediction.predicted for prediction in predictions]
    classes, counts = confusion_counts(predictions, 99)
    assert counts.tolist() == confusion_matrix(truth, guess, labels=classes).tolist()
    worst, counts = confusion_counts(predictions, 2)
    assert (len(worst), counts.shape) == (2, (2, 2))
    assert set(worst) <= {one.label for one in predictions if one.label != one.predicted} | {
        one.predicted for one in predictions if one.label != one.predicted
    }
    wrong = [p for p in predictions if p.label != p.predicted]
    assert sum(confusion.count for confusion in confusions(predictions, 99)) == len(wrong)
    surest = mistakes(predictions, 3)
    assert surest[0].probability == max(p.probability for p in wrong)
    assert len(surest) == 3


def test_of_many_runs_the_best_are_listed(place, tmp_path, rnnclf):
    single = place / "outputs" / "Single"
    result = json.loads((single / "result.json").read_text())
    for number in range(520):
        (tmp_path / "runs" / str(number)).mkdir(parents=True)
        copy = tmp_path / "runs" / str(number) / "result.json"
        copy.write_text(json.dumps(result | {"val_accuracy": number / 520}))
    done = rnnclf("report", "runs", "-o", "deep/page.html", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "deep/page.html: 520 runs, 0 studies, 0 folders left out\n"
    html = (tmp_path / "deep" / "page.html").read_text()
    assert "The best 500 of 520 runs are listed." in html
    assert "There are no predictions: " in html, "the runs have only their result here"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda journal: journal.unlink(), "there is no study.journal"),
        (lambda journal: journal.write_text("{not JSON}\n"), "is damaged"),
        (lambda journal: journal.write_text(""), "has 0 studies in it"),
    ],
    ids=["missing", "damaged", "empty"],
)
def test_a_journal_that_cannot_be_read_is_said_on_the_page(place, tmp_path, rnnclf, damage, said):
    shutil.copytree(place / STUDY, tmp_path / "study")
    damage(tmp_path / "study" / "study.journal")
    done = rnnclf("report", "study", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    html = (tmp_path / "report.html").read_text()
    assert said in html
    assert "The winner again" in html


def test_the_luck_of_a_winner_is_its_distance_to_the_mean_over_seeds(place, tmp_path, rnnclf):
    shutil.copytree(place / STUDY, tmp_path / "study")
    path = tmp_path / "study" / "study.json"
    record = json.loads(path.read_text())
    record["best"][0]["values"] = [0.75]
    record["refit"]["validation"] |= {"values": [0.6, 0.7], "mean": 0.65}
    path.write_text(json.dumps(record))
    assert rnnclf("report", "study", cwd=tmp_path).returncode == 0
    said = "the winner reached 0.7500, which is 10.0 points above its mean over the seeds"
    assert said in (tmp_path / "report.html").read_text()


def test_a_study_that_still_runs_is_there(place, tmp_path, rnnclf):
    shutil.copytree(place / STUDY, tmp_path / "study")
    (tmp_path / "study" / "study.json").unlink()
    assert rnnclf("report", "study", cwd=tmp_path).returncode == 0
    assert "so far; it has not ended yet" in (tmp_path / "report.html").read_text()


def test_the_journal_is_left_as_it_was(place, tmp_path, rnnclf):
    shutil.copytree(place / STUDY, tmp_path / "study")
    journal = tmp_path / "study" / "study.journal"
    with journal.open("a") as file:
        file.write('{"op_code": 4, "half of a li')
    before = journal.read_bytes()
    assert rnnclf("report", "study", cwd=tmp_path).returncode == 0
    assert journal.read_bytes() == before
    assert "<strong>3</strong> complete" in (tmp_path / "report.html").read_text()
